//! A text column of a row group, and its form in Parquet: a dictionary of the texts and a code a row, or the texts one
//! after the other where nearly all differ. The library does as much, for twice the time: it asks each row's text for
//! its place in the dictionary, and here rows that are known to have the same text share the answer.

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;

use crate::bit_packing::{pack, width_of};
use crate::interner::Interner;

/// The code of a row without a text.
pub(crate) const ABSENT: u32 = u32::MAX;

/// The longest text that is put into the statistics of a column.
const LONGEST_IN_STATISTICS: usize = 64;

/// Rows of a column, by the texts that they have.
pub(crate) enum Rows<'r> {
    /// A code of the dictionary each, or [`ABSENT`].
    Coded(&'r Interner, &'r mut dyn Iterator<Item = u32>),
    /// All texts, before each its length in four bytes; every row has one.
    Plain { texts: &'r [u8], rows: usize },
}

/// An encoded column chunk, to be appended to a row group.
pub(crate) struct Chunk {
    pub bytes: Bytes,
    pub close: ColumnCloseResult,
}

/// Makes chunks; keeps the memory that it takes.
pub(crate) struct ChunkWriter {
    /// All columns of the schema.
    columns: Vec<ColumnDescPtr>,
    compressor: Compressor<'static>,
    codes: Vec<u32>,
    present: Vec<u32>,
    page: Vec<u8>,
}

impl ChunkWriter {
    pub fn new(columns: &[ColumnDescPtr]) -> std::io::Result<Self> {
        let compressor = Compressor::new(ZstdLevel::default().compression_level())?;
        Ok(Self { columns: columns.to_vec(), compressor, codes: Vec::new(), present: Vec::new(), page: Vec::new() })
    }

    /// Encodes a column of a row group.
    pub fn write(&mut self, place: usize, rows: Rows<'_>) -> Result<Chunk, ParquetError> {
        let missing = || ParquetError::General(format!("column {place} is not in the schema"));
        let column = self.columns.get(place).cloned().ok_or_else(missing)?;
        let mut sink = TrackedWrite::new(Vec::new());
        let mut pages = SerializedPageWriter::new(&mut sink);
        let mut total = Sizes::default();
        let optional = column.max_def_level() > 0;
        self.page.clear();
        let (count, dictionary_offset, encodings, statistics);
        match rows {
            Rows::Coded(texts, codes) => {
                let dictionary = self.compressed(texts.plain())?;
                let page = Page::DictionaryPage {
                    buf: dictionary,
                    num_values: texts.len() as u32,
                    encoding: Encoding::PLAIN,
                    is_sorted: false,
                };
                total.add(&pages.write_page(CompressedPage::new(page, texts.plain().len()))?);
                dictionary_offset = Some(0);
                let absent = self.code(texts.len(), codes, optional);
                count = if optional { self.present.len() } else { self.codes.len() };
                encodings = vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY];
                statistics = of_texts(texts.texts(), absent);
            }
            Rows::Plain { texts, rows } => {
                self.page.extend_from_slice(texts);
                (count, dictionary_offset) = (rows, None);
                encodings = vec![Encoding::PLAIN, Encoding::RLE];
                statistics = of_texts(Plain(texts), 0);
            }
        }
        let encoding = if dictionary_offset.is_some() { Encoding::RLE_DICTIONARY } else { Encoding::PLAIN };
        let uncompressed = self.page.len();
        let page = Page::DataPage {
            buf: self.compressed_page()?,
            num_values: count as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let data = pages.write_page(CompressedPage::new(page, uncompressed))?;
        total.add(&data);
        let metadata = ColumnChunkMetaData::builder(column)
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_encodings(encodings)
            .set_num_values(count as i64)
            .set_total_compressed_size(total.compressed as i64)
            .set_total_uncompressed_size(total.uncompressed as i64)
            .set_data_page_offset(data.offset as i64)
            .set_dictionary_page_offset(dictionary_offset)
            .set_statistics(statistics)
            .build()?;
        let bytes = Bytes::from(sink.into_inner()?);
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: count as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok(Chunk { bytes, close })
    }

    /// The data page of codes; returns how many rows have no text.
    fn code(&mut self, different: usize, codes: &mut dyn Iterator<Item = u32>, optional: bool) -> usize {
        self.codes.clear();
        self.present.clear();
        if optional {
            for code in codes {
                self.present.push(u32::from(code != ABSENT));
                if code != ABSENT {
                    self.codes.push(code);
                }
            }
            // The length of the levels goes before them.
            self.page.extend([0; size_of::<u32>()]);
            pack(&mut self.page, 1, self.present.iter().copied());
            let len = (self.page.len() - size_of::<u32>()) as u32;
            self.page[..size_of::<u32>()].copy_from_slice(&len.to_le_bytes());
        } else {
            self.codes.extend(codes);
        }
        let width = width_of(different);
        self.page.push(width as u8);
        pack(&mut self.page, width, self.codes.iter().copied());
        self.present.len().saturating_sub(self.codes.len())
    }

    fn compressed(&mut self, bytes: &[u8]) -> Result<Bytes, ParquetError> {
        self.compressor.compress(bytes).map(Bytes::from).map_err(|error| ParquetError::External(Box::new(error)))
    }

    fn compressed_page(&mut self) -> Result<Bytes, ParquetError> {
        let page = std::mem::take(&mut self.page);
        let compressed = self.compressed(&page);
        self.page = page;
        compressed
    }
}

/// Bytes of pages with their headers.
#[derive(Default)]
struct Sizes {
    compressed: usize,
    uncompressed: usize,
}

impl Sizes {
    fn add(&mut self, page: &parquet::column::page::PageWriteSpec) {
        self.compressed += page.compressed_size;
        self.uncompressed += page.uncompressed_size;
    }
}

/// The least and the greatest text, and how many rows have none.
fn of_texts<'t>(texts: impl Iterator<Item = &'t [u8]>, absent: usize) -> Statistics {
    let mut ends: Option<(&[u8], &[u8])> = None;
    for text in texts {
        let (least, greatest) = ends.get_or_insert((text, text));
        if text < *least {
            *least = text;
        }
        if text > *greatest {
            *greatest = text;
        }
    }
    let ends = ends.filter(|(least, greatest)| least.len().max(greatest.len()) <= LONGEST_IN_STATISTICS);
    let text = |text: &[u8]| ByteArray::from(text.to_vec());
    Statistics::ByteArray(ValueStatistics::new(
        ends.map(|(least, _)| text(least)),
        ends.map(|(_, greatest)| text(greatest)),
        None,
        Some(absent as u64),
        false,
    ))
}

/// Texts with their lengths before them.
struct Plain<'t>(&'t [u8]);

impl<'t> Iterator for Plain<'t> {
    type Item = &'t [u8];

    fn next(&mut self) -> Option<&'t [u8]> {
        let (len, rest) = self.0.split_first_chunk()?;
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        self.0 = rest;
        Some(text)
    }
}
