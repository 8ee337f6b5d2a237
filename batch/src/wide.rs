//! Writes the wide face: one column a feature id, rows in the order of their keys.

use std::fs::File;
use std::path::{Path, PathBuf};

use features::{BatchWindow, Feature, Value, Window};
use polars::prelude::{Column, DataFrame, KeyValueMetadata, ParquetWriter, PlSmallStr, StatisticsOptions};
use snapshot::LocalPart;

use crate::BatchError;

/// Rows of a part, which is also one row group: some 100 columns of them are 100 MB in memory.
const ROWS_PER_FILE: usize = 100_000;

/// Writes the parts of the wide face of one party and level to a folder on this machine.
pub(crate) struct WideWriter {
    folder: PathBuf,
    about: Vec<(String, String)>,
    keys: Vec<String>,
    columns: Vec<(PlSmallStr, Values)>,
    parts: Vec<LocalPart>,
}

enum Values {
    Integers(Vec<Option<i64>>),
    Numbers(Vec<Option<f64>>),
}

impl WideWriter {
    /// Begins parts in `folder`, which exists. `about` is written into every footer.
    pub(crate) fn new<'a>(
        folder: &Path,
        columns: impl Iterator<Item = (&'a Feature, BatchWindow)>,
        about: &[(&str, &str)],
    ) -> Self {
        let column = |(feature, window): (&Feature, BatchWindow)| {
            let integers = feature.aggregate.is_integer();
            let values = if integers { Values::Integers(Vec::new()) } else { Values::Numbers(Vec::new()) };
            (feature.id(Window::Batch(window)).into(), values)
        };
        Self {
            folder: folder.to_owned(),
            about: about.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            keys: Vec::new(),
            columns: columns.map(column).collect(),
            parts: Vec::new(),
        }
    }

    /// Appends a row: one value a column.
    pub(crate) fn push(&mut self, key: &str, values: &[Value]) -> Result<(), BatchError> {
        self.keys.push(key.to_owned());
        for ((_, column), value) in self.columns.iter_mut().zip(values) {
            match column {
                Values::Integers(integers) => integers.push(match value {
                    Value::Integer(value) => Some(*value),
                    // A sum beyond 64 bits has no place in the column: absent, rather than wrong.
                    Value::Number(_) | Value::Missing => None,
                }),
                Values::Numbers(numbers) => numbers.push(match value {
                    Value::Number(value) => Some(*value),
                    Value::Integer(value) => Some(*value as f64),
                    Value::Missing => None,
                }),
            }
        }
        if self.keys.len() == ROWS_PER_FILE { self.flush() } else { Ok(()) }
    }

    /// Ends the last part. There is at least one, even without rows.
    pub(crate) fn finish(mut self) -> Result<Vec<LocalPart>, BatchError> {
        if !self.keys.is_empty() || self.parts.is_empty() {
            self.flush()?;
        }
        Ok(self.parts)
    }

    fn flush(&mut self) -> Result<(), BatchError> {
        let path = self.folder.join(format!("part-{:03}.parquet", self.parts.len()));
        let local = |source| BatchError::Temporary { path: path.display().to_string(), source };
        let keys = std::mem::take(&mut self.keys);
        let (first_key, last_key) = (keys.first().cloned(), keys.last().cloned());
        let rows = keys.len();
        let mut columns = vec![Column::new("key".into(), keys)];
        columns.extend(self.columns.iter_mut().map(|(name, values)| match values {
            Values::Integers(integers) => Column::new(name.clone(), std::mem::take(integers)),
            Values::Numbers(numbers) => Column::new(name.clone(), std::mem::take(numbers)),
        }));
        let mut frame = DataFrame::new(rows, columns)?;
        let file = File::create(&path).map_err(local)?;
        let bytes = ParquetWriter::new(file)
            .with_statistics(StatisticsOptions::default())
            .with_row_group_size(Some(ROWS_PER_FILE))
            .with_key_value_metadata(Some(KeyValueMetadata::from_static(self.about.clone())))
            .finish(&mut frame)
            .map_err(|error| BatchError::of_file(&path, error))?;
        self.parts.push(LocalPart { path, rows: rows as u64, bytes, first_key, last_key, footer_crc32: None });
        Ok(())
    }
}
