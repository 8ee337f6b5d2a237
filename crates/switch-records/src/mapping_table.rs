//! A table of a mapping's TOML, read key by key: what is left over is unknown.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Why a mapping is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, {}{rule}", if key.is_empty() { String::new() } else { format!("key {key}: ") })]
pub struct MappingError {
    /// Line of the mapping, from 1.
    pub line: usize,
    /// The key, with those of the tables that it is in; empty where it is none.
    pub key: String,
    /// What is wrong and what is wanted.
    pub rule: String,
}

/// A table whose keys are taken one by one.
pub(crate) struct Table<'t> {
    text: &'t str,
    name: String,
    entries: BTreeMap<String, Spanned<DeValue<'t>>>,
    keys: BTreeMap<String, Range<usize>>,
}

/// A value with its place.
pub(crate) struct Entry<'t> {
    text: &'t str,
    key: String,
    value: Spanned<DeValue<'t>>,
}

impl<'t> Table<'t> {
    /// The table that a text is.
    pub fn parse(text: &'t str) -> Result<Self, MappingError> {
        let table = DeTable::parse(text).map_err(|error| MappingError {
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            key: String::new(),
            rule: format!("the mapping is no TOML: {}", error.message().trim().replace('\n', ", ")),
        })?;
        Ok(Self::of(text, String::new(), table.into_inner()))
    }

    fn of(text: &'t str, name: String, table: DeTable<'t>) -> Self {
        let (mut entries, mut keys) = (BTreeMap::new(), BTreeMap::new());
        for (key, value) in table {
            keys.insert(key.get_ref().to_string(), key.span());
            entries.insert(key.into_inner().into_owned(), value);
        }
        Self { text, name, entries, keys }
    }

    /// Takes a key's value.
    pub fn take(&mut self, key: &str) -> Option<Entry<'t>> {
        let value = self.entries.remove(key)?;
        Some(Entry { text: self.text, key: format!("{}{key}", self.name), value })
    }

    /// Takes a table that is in this one; an empty one where there is none.
    pub fn table(&mut self, key: &str) -> Result<Self, MappingError> {
        let Some(entry) = self.take(key) else { return Ok(Self::of(self.text, String::new(), DeTable::new())) };
        let name = format!("{}.", entry.key);
        let refused = entry.wrong("wants a table".to_owned());
        match entry.value.into_inner() {
            DeValue::Table(table) => Ok(Self::of(self.text, name, table)),
            _ => Err(refused),
        }
    }

    /// Takes all that is left, in the order of the keys.
    pub fn rest(&mut self) -> Vec<(String, Entry<'t>)> {
        let keys: Vec<_> = self.entries.keys().cloned().collect();
        keys.into_iter().filter_map(|key| self.take(&key).map(|entry| (key, entry))).collect()
    }

    /// Refuses what was not taken.
    pub fn finish(self, known: &[&str]) -> Result<(), MappingError> {
        let Some(key) = self.entries.keys().next() else { return Ok(()) };
        let start = self.keys.get(key).map_or(0, |span| span.start);
        let rule = format!("is unknown: wants one of {}", known.join(", "));
        Err(MappingError { line: line_of(self.text, start), key: format!("{}{key}", self.name), rule })
    }
}

impl Entry<'_> {
    /// A refusal of this value.
    pub fn wrong(&self, rule: String) -> MappingError {
        MappingError { line: line_of(self.text, self.value.span().start), key: self.key.clone(), rule }
    }

    /// A text.
    pub fn text(&self) -> Result<&str, MappingError> {
        self.value.get_ref().as_str().ok_or_else(|| self.wrong("wants a text in quotes".to_owned()))
    }

    /// Yes or no.
    pub fn flag(&self) -> Result<bool, MappingError> {
        self.value.get_ref().as_bool().ok_or_else(|| self.wrong("wants true or false".to_owned()))
    }

    /// One of some texts, and what it stands for.
    pub fn one_of<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, MappingError> {
        let text = self.text()?;
        choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
            self.wrong(format!("wants one of {}", names.join(", ")))
        })
    }

    /// The values of a list; a value that is no list is a list of one.
    pub fn values(&self) -> Vec<&DeValue<'_>> {
        match self.value.get_ref() {
            DeValue::Array(values) => values.iter().map(Spanned::get_ref).collect(),
            value => vec![value],
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}
