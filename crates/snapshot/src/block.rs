//! A row group that was fetched, decoded for looking keys up.

use std::sync::Arc;

use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;

use crate::row_group::{Fetched, Footer, absent, open_bytes_column, read_all};

/// Keys and states of a row group in the order of their keys, each in the memory of its page.
#[derive(Debug)]
pub(crate) struct Block {
    rows: Vec<(ByteArray, ByteArray)>,
}

impl Block {
    /// Fails where a key or a state is absent, a key is no text, or keys are not in order: then nothing could be found.
    pub(crate) fn read(footer: &Footer, group: usize, fetched: &Arc<Fetched>) -> Result<Self, ParquetError> {
        let group = footer.group(group);
        let column = |column: usize| read_all(open_bytes_column(fetched, group, column)?, group, column);
        let row = |(key, states): (Option<ByteArray>, Option<ByteArray>)| {
            let (key, states) = key.zip(states).ok_or_else(absent)?;
            key.as_utf8()?;
            Ok((key, states))
        };
        let rows = column(0)?.into_iter().zip(column(1)?).map(row).collect::<Result<Vec<_>, ParquetError>>()?;
        if rows.is_sorted_by(|(one, _), (next, _)| one.data() < next.data()) {
            Ok(Self { rows })
        } else {
            Err(ParquetError::General("its keys are not in order".to_owned()))
        }
    }

    /// The states beside a key.
    pub(crate) fn find(&self, key: &str) -> Option<&[u8]> {
        let at = self.rows.binary_search_by(|(found, _)| found.data().cmp(key.as_bytes())).ok()?;
        Some(self.rows[at].1.data())
    }

    /// Memory that it takes, roughly.
    pub(crate) fn weight_bytes(&self) -> usize {
        let row = |(key, states): &(ByteArray, ByteArray)| key.len() + states.len() + 2 * size_of::<ByteArray>();
        self.rows.iter().map(row).sum()
    }
}
