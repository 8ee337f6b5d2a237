//! The texts of some rows: each row has a code, each code a text.

use cdr::{Reason, RecordError};

use crate::parquet_codes::TextPage;

/// The code of a row without a text.
pub(crate) const ABSENT: u32 = u32::MAX;

/// The texts of a column of some rows. Rows that have the same text often have the same code; not always, for no more
/// is looked at than what the writer of the file found to be the same.
#[derive(Debug, Default)]
pub struct Texts {
    /// One a row; none at all if the file has no such column.
    codes: Vec<u32>,
    /// All texts, one behind the other.
    all: String,
    /// Where each ends.
    ends: Vec<usize>,
    /// How many of them, the first, are those of a dictionary: the same for all rows of a row group.
    dictionary: usize,
    /// Codes of texts that are no UTF-8, ascending, and their lengths; they are empty here.
    broken: Vec<(u32, usize)>,
    /// Whether any of them is empty.
    has_empty: bool,
    /// Whether each follows the rules of its field; all do where there are no misfits.
    fits: Vec<bool>,
    misfits: usize,
}

impl Texts {
    /// The text of a row; `None` where it has none, or an empty one.
    pub fn get(&self, row: usize) -> Option<&str> {
        self.code(row).map(|code| self.text(code))
    }

    /// The code of a row; `None` where it has no text.
    pub fn code(&self, row: usize) -> Option<usize> {
        self.codes.get(row).filter(|code| **code != ABSENT).map(|code| *code as usize)
    }

    /// The text of a code.
    pub fn text(&self, code: usize) -> &str {
        let start = if code == 0 { 0 } else { self.ends[code - 1] };
        &self.all[start..self.ends[code]]
    }

    /// How many codes there are.
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether no row has a text.
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many codes, the first ones, have the same texts in all batches of the row group.
    pub const fn dictionary_len(&self) -> usize {
        self.dictionary
    }

    /// The text of a row as it came in.
    pub(crate) fn raw(&self, field: &'static str, row: usize) -> Result<Option<&str>, RecordError> {
        let Some(code) = self.code(row) else { return Ok(None) };
        match self.broken_len(code) {
            Some(len) => Err(RecordError::of_field(Reason::BadText, field, len, "is not UTF-8: wants a string")),
            None => Ok(Some(self.text(code))),
        }
    }

    /// The length of a text that is no UTF-8.
    pub(crate) fn broken_len(&self, code: usize) -> Option<usize> {
        let at = self.broken.binary_search_by_key(&code, |(broken, _)| *broken as usize).ok()?;
        Some(self.broken[at].1)
    }

    pub(crate) fn set_dictionary(&mut self, mut page: TextPage) {
        while let Some(text) = page.next_text() {
            self.push(text);
        }
        self.dictionary = self.ends.len();
    }

    /// Adds a text and returns its code.
    pub(crate) fn push(&mut self, text: &[u8]) -> usize {
        let code = self.ends.len();
        match std::str::from_utf8(text) {
            Ok(text) => {
                self.all.push_str(text);
                self.has_empty |= text.is_empty();
            }
            Err(_) => self.broken.push((code as u32, text.len())),
        }
        self.ends.push(self.all.len());
        code
    }

    pub(crate) fn set_codes(&mut self, codes: impl Iterator<Item = u32>) {
        self.codes.extend(codes);
        if self.has_empty {
            let mut codes = std::mem::take(&mut self.codes);
            for code in codes.iter_mut().filter(|code| **code != ABSENT) {
                let at = *code as usize;
                if self.text(at).is_empty() && self.broken_len(at).is_none() {
                    *code = ABSENT;
                }
            }
            self.codes = codes;
        }
    }

    /// How many texts are judged.
    pub(crate) const fn judged(&self) -> usize {
        self.fits.len()
    }

    /// Judges the texts that are not judged yet.
    pub(crate) fn judge(&mut self, mut fits: impl FnMut(&str) -> bool) {
        for code in self.fits.len()..self.ends.len() {
            // In any case: who judges may keep what came of it.
            let fits = fits(self.text(code)) && self.broken_len(code).is_none();
            self.fits.push(fits);
            self.misfits += usize::from(!fits);
        }
    }

    /// Leaves true what is true of rows whose text fits; absent ones do unless they are required.
    pub(crate) fn and_hold(&self, required: bool, holds: &mut [bool]) {
        if self.codes.is_empty() {
            // A column that is required is in the file, and has a code for each row.
            return;
        }
        for (holds, code) in holds.iter_mut().zip(&self.codes) {
            if *code == ABSENT {
                *holds &= !required;
            } else if self.misfits > 0 {
                *holds &= self.fits[*code as usize];
            }
        }
    }

    pub(crate) fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// Goes back to the dictionary alone.
    pub(crate) fn forget_rows(&mut self) {
        self.codes.clear();
        self.ends.truncate(self.dictionary);
        self.all.truncate(self.ends.last().copied().unwrap_or_default());
        self.broken.retain(|(code, _)| (*code as usize) < self.dictionary);
        self.misfits -= self.fits.drain(self.dictionary.min(self.fits.len())..).filter(|fits| !fits).count();
    }
}
