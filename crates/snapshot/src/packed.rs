//! Writes files of keys and packed states: day tiles, and the parts of an online face.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use features::{Level, Party};
use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{ColumnPath, Type, TypePtr};

use crate::checksum::{Checksummed, GROUPS_CRC32, to_text};
use crate::{SnapshotError, UtcDay};

/// Uncompressed bytes of a row group of the online face: with page headers, what one range of 128 KB brings.
pub(crate) const ONLINE_GROUP_BYTES: usize = 96 * 1024;
/// Uncompressed bytes of a row group of a day tile. A roll-up holds one of each of 90 days.
pub const TILE_GROUP_BYTES: usize = 256 * 1024;
/// Rows of a row group, however short they are.
const GROUP_ROWS_MAX: usize = 65_536;

/// Writes rows in the order of their keys. Equal rows make equal bytes.
pub struct PackedWriter<W: Write + Send> {
    writer: SerializedFileWriter<Checksummed<W>>,
    groups_crc32: Vec<u32>,
    name: String,
    group_bytes: usize,
    is_tile: bool,
    /// What the open row group holds.
    bytes: usize,
    keys: Values,
    states: Values,
    areas: [Values; 2],
    rows: u64,
    first_key: Option<String>,
    last_key: Option<String>,
}

/// The values of a column of the open row group, in one piece of memory rather than an allocation each.
#[derive(Default)]
struct Values {
    bytes: Vec<u8>,
    /// Where each value ends, and 1 if there is one.
    ends: Vec<usize>,
    present: Vec<i16>,
}

impl Values {
    fn push(&mut self, value: Option<&[u8]>) {
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.ends.push(self.bytes.len());
        self.present.push(i16::from(value.is_some()));
    }

    fn write(
        &mut self,
        column: &mut SerializedColumnWriter<'_>,
        optional: bool,
        sorted: bool,
    ) -> Result<(), ParquetError> {
        let all = Bytes::from(std::mem::take(&mut self.bytes));
        let mut start = 0;
        let mut values = Vec::with_capacity(self.ends.len());
        for (end, present) in self.ends.drain(..).zip(&self.present) {
            if *present == 1 {
                values.push(ByteArray::from(all.slice(start..end)));
            }
            start = end;
        }
        let present = optional.then_some(self.present.as_slice());
        // Bounds that are known need not be looked for.
        let bounds = if sorted { values.first().zip(values.last()) } else { None };
        let (min, max) = bounds.unzip();
        column.typed::<ByteArrayType>().write_batch_with_statistics(&values, present, None, min, max, None)?;
        self.present.clear();
        Ok(())
    }
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// The smallest key.
    pub first_key: Option<String>,
    /// The largest key.
    pub last_key: Option<String>,
    /// The checksum of what lies behind the last row group.
    pub footer_crc32: u32,
}

impl<W: Write + Send> std::fmt::Debug for PackedWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackedWriter").field("name", &self.name).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl<W: Write + Send> PackedWriter<W> {
    /// A file of key, states, prefix and range. `name` is for errors.
    pub fn tile(out: W, name: &str, about: &[(&str, &str)]) -> Result<Self, SnapshotError> {
        Self::new(out, name, about, TILE_GROUP_BYTES, true)
    }

    /// The day tile of a party and level, of a version of the feature set.
    pub fn day_tile(
        out: W,
        name: &str,
        date: UtcDay,
        (party, level): (Party, Level),
        version: &str,
    ) -> Result<Self, SnapshotError> {
        let about = tile_about(date, party, level, version);
        Self::tile(out, name, &about.each_ref().map(|(name, value)| (*name, value.as_str())))
    }

    /// A file of key and states for point reads.
    pub(crate) fn online(out: W, name: &str, about: &[(&str, &str)]) -> Result<Self, SnapshotError> {
        Self::new(out, name, about, ONLINE_GROUP_BYTES, false)
    }

    fn new(
        out: W,
        name: &str,
        about: &[(&str, &str)],
        group_bytes: usize,
        is_tile: bool,
    ) -> Result<Self, SnapshotError> {
        let failed = |error: ParquetError| not_written(name, error);
        let schema = schema(is_tile).map_err(failed)?;
        let about = about.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), (*value).to_owned())).collect();
        let properties = WriterProperties::builder()
            .set_created_by(concat!("tollwatch ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_key_value_metadata(Some(about))
            // Sketches of one row share most of their hashes: the lightest level finds that.
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::None)
            // Only keys are looked up; whole, since a cut bound would send a reader to the wrong group.
            .set_column_statistics_enabled(ColumnPath::from("key"), EnabledStatistics::Chunk)
            .set_statistics_truncate_length(None)
            .set_offset_index_disabled(true)
            .build();
        let out = Checksummed::new(out);
        let mut writer = SerializedFileWriter::new(out, schema, Arc::new(properties)).map_err(failed)?;
        // The bytes before the first row group are of none.
        take_crc32(&mut writer).map_err(failed)?;
        Ok(Self {
            writer,
            groups_crc32: Vec::new(),
            name: name.to_owned(),
            group_bytes,
            is_tile,
            bytes: 0,
            keys: Values::default(),
            states: Values::default(),
            areas: [Values::default(), Values::default()],
            rows: 0,
            first_key: None,
            last_key: None,
        })
    }

    /// Appends a row. Prefix and range are left out of files that have no such columns.
    pub fn push(
        &mut self,
        key: &str,
        states: &[u8],
        prefix: Option<&str>,
        range: Option<&str>,
    ) -> Result<(), SnapshotError> {
        if self.last_key.as_deref().is_some_and(|last| last >= key) {
            return Err(SnapshotError::Unsorted { key: self.name.clone() });
        }
        let area_bytes = |area: Option<&str>| area.map_or(0, str::len);
        let row_bytes = key.len() + states.len() + area_bytes(prefix) + area_bytes(range) + 4 * size_of::<u32>();
        let rows = self.keys.ends.len();
        if rows > 0 && (self.bytes + row_bytes > self.group_bytes || rows == GROUP_ROWS_MAX) {
            self.flush()?;
        }
        self.bytes += row_bytes;
        self.rows += 1;
        self.keys.push(Some(key.as_bytes()));
        self.states.push(Some(states));
        if self.is_tile {
            self.areas[0].push(prefix.map(str::as_bytes));
            self.areas[1].push(range.map(str::as_bytes));
        }
        if self.first_key.is_none() {
            self.first_key = Some(key.to_owned());
        }
        let last = self.last_key.get_or_insert_default();
        last.clear();
        last.push_str(key);
        Ok(())
    }

    /// Writes the footer and gives the sink back.
    pub fn finish(self) -> Result<W, SnapshotError> {
        Ok(self.finish_counted()?.1)
    }

    /// Writes the footer, and gives the sink back with what was written.
    pub fn finish_counted(mut self) -> Result<(Written, W), SnapshotError> {
        self.flush()?;
        let groups_crc32 = to_text(&self.groups_crc32);
        self.writer.append_key_value_metadata(KeyValue::new(GROUPS_CRC32.to_owned(), groups_crc32));
        let mut out = self.writer.into_inner().map_err(|error| not_written(&self.name, error))?;
        let (rows, first_key, last_key) = (self.rows, self.first_key, self.last_key);
        Ok((Written { rows, first_key, last_key, footer_crc32: out.take() }, out.into_inner()))
    }

    fn flush(&mut self) -> Result<(), SnapshotError> {
        if self.keys.ends.is_empty() {
            return Ok(());
        }
        self.write_group().map_err(|error| not_written(&self.name, error))?;
        self.bytes = 0;
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        let areas = if self.is_tile { self.areas.as_mut_slice() } else { &mut [] };
        let columns = [(&mut self.keys, false, true), (&mut self.states, false, false)];
        for (values, optional, sorted) in columns.into_iter().chain(areas.iter_mut().map(|area| (area, true, false)))
        {
            if let Some(mut column) = group.next_column()? {
                values.write(&mut column, optional, sorted)?;
                column.close()?;
            }
        }
        group.close()?;
        self.groups_crc32.push(take_crc32(&mut self.writer)?);
        Ok(())
    }
}

/// The checksum of what was written since the last.
fn take_crc32<W: Write + Send>(writer: &mut SerializedFileWriter<Checksummed<W>>) -> Result<u32, ParquetError> {
    // What it still holds belongs to what was written last.
    writer.flush()?;
    Ok(writer.inner_mut().take())
}

/// What a day tile says of itself.
pub(crate) fn tile_about(date: UtcDay, party: Party, level: Level, version: &str) -> [(&'static str, String); 4] {
    [
        ("feature_set_version", version.to_owned()),
        ("date", date.to_string()),
        ("party", party.as_str().to_owned()),
        ("level", level.as_str().to_owned()),
    ]
}

/// A full disk is no damaged file.
fn not_written(name: &str, error: ParquetError) -> SnapshotError {
    match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(source) => SnapshotError::LocalFile { path: name.to_owned(), source: *source },
            Err(cause) => SnapshotError::corrupt(name, cause),
        },
        other => SnapshotError::corrupt(name, other),
    }
}

fn schema(is_tile: bool) -> Result<TypePtr, ParquetError> {
    let text = |name: &str, repetition| {
        Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
            .with_repetition(repetition)
            .with_logical_type(Some(LogicalType::String))
            .with_converted_type(ConvertedType::UTF8)
            .build()
            .map(Arc::new)
    };
    let states = Type::primitive_type_builder("states", Physical::BYTE_ARRAY).with_repetition(Repetition::REQUIRED);
    let mut fields = vec![text("key", Repetition::REQUIRED)?, Arc::new(states.build()?)];
    if is_tile {
        fields.push(text("prefix", Repetition::OPTIONAL)?);
        fields.push(text("range", Repetition::OPTIONAL)?);
    }
    Ok(Arc::new(Type::group_type_builder("row").with_fields(fields).build()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::File;
    use std::path::Path;

    use super::*;
    use crate::{PackedReader, PackedRow, StoredRows, TileFile};

    fn rows(count: usize, state_bytes: usize) -> Vec<PackedRow> {
        let row = |n: usize| PackedRow {
            key: format!("+1202555{n:06}"),
            states: (0..state_bytes).map(|at| (at * 31 + n * 7) as u8).collect(),
            prefix: (!n.is_multiple_of(3)).then(|| "+1202".to_owned()),
            range: (!n.is_multiple_of(3)).then(|| format!("+1202555{:02}", n / 10_000)),
        };
        (0..count).map(row).collect()
    }

    fn write(path: &Path, rows: &[PackedRow]) {
        let mut writer = PackedWriter::tile(File::create(path).unwrap(), "t", &[("day", "2026-11-20")]).unwrap();
        for row in rows {
            writer.push(&row.key, &row.states, row.prefix.as_deref(), row.range.as_deref()).unwrap();
        }
        writer.finish().unwrap();
    }

    #[test]
    fn a_tile_reads_what_it_writes() {
        let folder = tempfile::tempdir().unwrap();
        for rows in [rows(0, 0), rows(1, 0), rows(3_000, 300), rows(3, TILE_GROUP_BYTES * 2)] {
            let path = folder.path().join("t.parquet");
            write(&path, &rows);
            let mut reader = PackedReader::open(&path).unwrap();
            for row in &rows {
                assert_eq!(reader.next_row().unwrap().as_ref(), Some(row));
            }
            assert_eq!(reader.next_row().unwrap(), None);
            let mut stored = StoredRows::open(&path).unwrap();
            for row in &rows {
                assert!(stored.advance().unwrap());
                assert_eq!((stored.key(), stored.states()), (row.key.as_bytes(), row.states.as_slice()));
            }
            assert!(!stored.advance().unwrap());
        }
    }

    #[test]
    fn a_tile_that_is_not_the_one_listed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let date: UtcDay = "2026-11-20".parse().unwrap();
        let (party, level) = (Party::Caller, Level::Phone);
        let mut writer =
            PackedWriter::day_tile(File::create(&path).unwrap(), "t", date, (party, level), "v1").unwrap();
        writer.push("+12025550101", b"states", None, None).unwrap();
        let (written, _) = writer.finish_counted().unwrap();
        let bytes = std::fs::metadata(&path).unwrap().len();
        let footer_crc32 = Some(written.footer_crc32);
        let listed = TileFile { party, level, key: "daily/t".to_owned(), rows: 1, bytes, footer_crc32 };
        let open =
            |listed: &TileFile, date, version| PackedReader::open_tile(&path, listed, date, version).map(|_| ());
        open(&listed, date, "v1").unwrap();
        let others = [
            open(&listed, date.plus(1), "v1"),
            open(&listed, date, "v2"),
            open(&TileFile { party: Party::Callee, ..listed.clone() }, date, "v1"),
            open(&TileFile { level: Level::Range, ..listed.clone() }, date, "v1"),
            open(&TileFile { rows: 2, ..listed.clone() }, date, "v1"),
            open(&TileFile { footer_crc32: Some(written.footer_crc32 ^ 1), ..listed.clone() }, date, "v1"),
        ];
        for other in others {
            let error = other.unwrap_err();
            assert!(matches!(&error, SnapshotError::Corrupt { key, .. } if key == "daily/t"), "{error}");
        }
    }

    #[test]
    fn rows_out_of_order_are_refused() {
        let mut writer = PackedWriter::online(Vec::new(), "o", &[]).unwrap();
        writer.push("b", b"", None, None).unwrap();
        for key in ["a", "b"] {
            assert!(matches!(writer.push(key, b"", None, None), Err(SnapshotError::Unsorted { .. })));
        }
    }

    #[test]
    fn a_disk_that_is_full_is_no_damaged_file() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::StorageFull.into())
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let written =
            PackedWriter::tile(std::io::BufWriter::with_capacity(1, Full), "t", &[]).and_then(|mut writer| {
                writer.push("a", b"", None, None)?;
                writer.finish()
            });
        let error = written.map(|_| ()).unwrap_err();
        let SnapshotError::LocalFile { path, source } = &error else { panic!("{error}") };
        assert_eq!((path.as_str(), source.kind()), ("t", std::io::ErrorKind::StorageFull));
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        write(&path, &rows(50, 30));
        let whole = std::fs::read(&path).unwrap();
        for length in (0..whole.len()).step_by(17) {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = PackedReader::open(&path).unwrap_err();
            assert!(error.to_string().contains("t.parquet"), "{error}");
        }
    }

    #[test]
    fn a_garbled_file_never_panics() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        write(&path, &rows(50, 30));
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut garbled = whole.clone();
            garbled[at] ^= 0xff;
            std::fs::write(&path, &garbled).unwrap();
            if let Ok(mut reader) = PackedReader::open(&path) {
                while let Ok(Some(_)) = reader.next_row() {}
            }
            if let Ok(mut stored) = StoredRows::open(&path) {
                while let Ok(true) = stored.advance() {
                    assert!(stored.key().len() + stored.states().len() < whole.len() * 10);
                }
            }
        }
    }
}
