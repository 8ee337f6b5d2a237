//! Text columns of Parquet as codes: what a writer put into a dictionary is looked at once, not once a row.
//!
//! The library gives each row its own text. So pages are changed on their way into it: of a dictionary of `n` texts is
//! made one of the integers below `n`, of a page of plain texts one of the integers that follow. The library's reader
//! of integers then does pages, levels and runs as ever, and gives codes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use parquet::basic::{Encoding, Repetition, Type as Physical};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::Int32Type;
use parquet::errors::ParquetError;
use parquet::schema::types::{ColumnDescriptor, Type};

use crate::texts::{ABSENT, Texts};

/// The encodings that are read as codes.
pub(crate) const ENCODINGS: [Encoding; 5] = {
    // Levels are BIT_PACKED in old files.
    #[allow(deprecated)]
    [Encoding::PLAIN, Encoding::RLE, Encoding::BIT_PACKED, Encoding::PLAIN_DICTIONARY, Encoding::RLE_DICTIONARY]
};

/// Reads a text column of a row group.
pub(crate) struct CodeReader {
    reader: ColumnReaderImpl<Int32Type>,
    is_nullable: bool,
    pages: Receiver<TextPage>,
    /// Pages of plain texts that rows to come have.
    plain: VecDeque<TextPage>,
    /// 1 for a row that has a text, where the column is nullable.
    present: Vec<i16>,
    values: Vec<i32>,
}

impl CodeReader {
    pub fn new(column: &ColumnDescriptor, pages: Box<dyn PageReader>) -> Result<Self, ParquetError> {
        let repetition = if column.max_def_level() > 0 { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        let code =
            Type::primitive_type_builder(column.name(), Physical::INT32).with_repetition(repetition).build()?;
        let of_codes = ColumnDescriptor::new(
            Arc::new(code),
            column.max_def_level(),
            column.max_rep_level(),
            column.path().clone(),
        );
        let (texts, taken) = channel();
        let is_nullable = column.max_def_level() > 0;
        let pages = CodePages { pages, texts, is_nullable, next_code: 0 };
        Ok(Self {
            reader: ColumnReaderImpl::new(Arc::new(of_codes), Box::new(pages)),
            is_nullable,
            pages: taken,
            plain: VecDeque::new(),
            present: Vec::new(),
            values: Vec::new(),
        })
    }

    /// Reads the next `rows` rows. What `texts` has of the dictionary stays in it; all else is of these rows.
    pub fn read(&mut self, rows: usize, texts: &mut Texts) -> Result<(), ParquetError> {
        self.present.clear();
        self.values.clear();
        texts.forget_rows();
        let present = self.is_nullable.then_some(&mut self.present);
        let (read, _, _) = self.reader.read_records(rows, present, None, &mut self.values)?;
        if read != rows {
            return Err(ParquetError::General("a column ends before its row group".to_owned()));
        }
        for page in self.pages.try_iter() {
            match page.first_code {
                None => texts.set_dictionary(page),
                Some(_) => self.plain.push_back(page),
            }
        }
        let known = texts.dictionary_len();
        // Codes are in bounds: the library has looked each up in a dictionary of them.
        for value in &mut self.values {
            if value.cast_unsigned() as usize >= known {
                *value = next_plain(&mut self.plain, *value, texts)?;
            }
        }
        if self.is_nullable {
            let mut values = self.values.iter();
            let code = |present: &i16| match present {
                1 => values.next().map_or(ABSENT, |code| code.cast_unsigned()),
                _ => ABSENT,
            };
            texts.set_codes(self.present.iter().map(code));
        } else {
            texts.set_codes(self.values.iter().map(|code| code.cast_unsigned()));
        }
        Ok(())
    }
}

/// Adds the plain text of a code, and returns where it was added. Plain texts come in the order of their codes; those
/// that are stepped over are of no row.
fn next_plain(pages: &mut VecDeque<TextPage>, code: i32, texts: &mut Texts) -> Result<i32, ParquetError> {
    while let Some(page) = pages.front_mut() {
        let first = page.first_code.unwrap_or_default();
        let at = page.taken;
        let Some(text) = page.next_text() else {
            pages.pop_front();
            continue;
        };
        if first + at == code {
            return i32::try_from(texts.push(text)).map_err(|_| too_many());
        }
    }
    Err(ParquetError::General("a code has no text".to_owned()))
}

/// Gives codes where there were texts, and the texts aside.
struct CodePages {
    pages: Box<dyn PageReader>,
    texts: Sender<TextPage>,
    is_nullable: bool,
    next_code: i32,
}

impl CodePages {
    fn coded(&mut self, page: Page) -> Result<Page, ParquetError> {
        match page {
            Page::DictionaryPage { buf, num_values, encoding, is_sorted } => {
                if self.next_code > 0 {
                    return Err(ParquetError::General("a dictionary comes behind the values".to_owned()));
                }
                let buf = self.codes(&buf, 0, num_values, true)?;
                Ok(Page::DictionaryPage { buf, num_values, encoding, is_sorted })
            }
            Page::DataPage {
                buf,
                num_values,
                encoding: encoding @ Encoding::PLAIN,
                def_level_encoding,
                rep_level_encoding,
                statistics,
            } => {
                let buf =
                    self.codes(&buf, self.levels_len(&buf, num_values, def_level_encoding)?, num_values, false)?;
                Ok(Page::DataPage { buf, num_values, encoding, def_level_encoding, rep_level_encoding, statistics })
            }
            Page::DataPageV2 {
                buf,
                num_values,
                encoding: encoding @ Encoding::PLAIN,
                num_nulls,
                num_rows,
                def_levels_byte_len,
                rep_levels_byte_len,
                is_compressed,
                statistics,
            } => {
                let levels = u64::from(def_levels_byte_len) + u64::from(rep_levels_byte_len);
                let buf = self.codes(&buf, levels as usize, num_values.saturating_sub(num_nulls), false)?;
                Ok(Page::DataPageV2 {
                    buf,
                    num_values,
                    encoding,
                    num_nulls,
                    num_rows,
                    def_levels_byte_len,
                    rep_levels_byte_len,
                    is_compressed,
                    statistics,
                })
            }
            page => match page.encoding() {
                Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => Ok(page),
                other => Err(ParquetError::General(format!("a page is {other}, which the footer does not say"))),
            },
        }
    }

    /// Bytes of the definition levels at the beginning of a page of the first version.
    fn levels_len(&self, page: &Bytes, values: u32, encoding: Encoding) -> Result<usize, ParquetError> {
        if !self.is_nullable {
            return Ok(0);
        }
        if encoding != Encoding::RLE {
            // A bit a value.
            return Ok(values.div_ceil(8) as usize);
        }
        let len = page.first_chunk().ok_or_else(cut)?;
        Ok(size_of::<u32>() + u32::from_le_bytes(*len) as usize)
    }

    /// The same page with codes for its at most `most` texts behind `levels` bytes.
    fn codes(&mut self, page: &Bytes, levels: usize, most: u32, is_dictionary: bool) -> Result<Bytes, ParquetError> {
        if levels > page.len() {
            return Err(cut());
        }
        let first_code = (!is_dictionary).then_some(self.next_code);
        let mut texts = TextPage { bytes: page.slice(levels..), at: 0, taken: 0, first_code };
        let mut counted = texts.clone();
        let mut count: u32 = 0;
        while count < most && counted.next_text().is_some() {
            count += 1;
        }
        if is_dictionary && count < most {
            return Err(cut());
        }
        texts.bytes.truncate(counted.at);
        let end =
            i32::try_from(count).ok().and_then(|count| self.next_code.checked_add(count)).ok_or_else(too_many)?;
        let mut coded = Vec::with_capacity(levels + count as usize * size_of::<i32>());
        coded.extend_from_slice(&page[..levels]);
        coded.extend((self.next_code..end).flat_map(i32::to_le_bytes));
        self.next_code = end;
        // Nobody takes them only where the reader is gone, which then reads no page.
        self.texts.send(texts).map_err(|_| cut())?;
        Ok(coded.into())
    }
}

impl Iterator for CodePages {
    type Item = Result<Page, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for CodePages {
    fn get_next_page(&mut self) -> Result<Option<Page>, ParquetError> {
        self.pages.get_next_page()?.map(|page| self.coded(page)).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>, ParquetError> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<(), ParquetError> {
        self.pages.skip_next_page()
    }
}

/// Texts as Parquet has them: before each its length, in four bytes.
#[derive(Clone)]
pub(crate) struct TextPage {
    bytes: Bytes,
    at: usize,
    taken: i32,
    /// Code of the first text; `None` in a dictionary, which begins with 0.
    first_code: Option<i32>,
}

impl TextPage {
    /// The next text; `None` at the end, and where the page is cut.
    pub fn next_text(&mut self) -> Option<&[u8]> {
        let (len, rest) = self.bytes.get(self.at..)?.split_first_chunk()?;
        let len = u32::from_le_bytes(*len) as usize;
        let text = rest.get(..len)?;
        self.at += size_of::<u32>() + len;
        self.taken += 1;
        Some(text)
    }
}

fn cut() -> ParquetError {
    ParquetError::General("a page of texts ends too early".to_owned())
}

fn too_many() -> ParquetError {
    ParquetError::General("a column chunk has more than 2147483647 texts".to_owned())
}
