//! Reading calls of Parquet column by column: what rows share is looked at once.

use std::borrow::Cow;
use std::fs::File;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use cdr::{CallRecord, Number, NumberPlan, Outcome, RawRecord, RecordError, TIME_FROM_MS, TIME_UNTIL_MS, rules};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::Int64Type;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::statistics::Statistics;

use crate::limits::PARQUET_COLUMN_ROWS;
use crate::parquet_codes::{CodeReader, ENCODINGS};
use crate::parquet_columns::{COLUMNS, Found, Kind};
use crate::parquet_reader::{Batch, damaged, guarded, open_file, rows_of};
use crate::texts::{ABSENT, Texts};
use crate::{FileError, ReadOptions};

/// Opens a file of calls to be read column by column; `None` where it can only be read row by row, by [`crate::open`].
/// Fails where that fails.
pub fn open_columns<'p>(
    path: &Path,
    plan: &'p NumberPlan,
    options: &ReadOptions,
) -> Result<Option<CallColumns<'p>>, FileError> {
    match crate::detect::detect(path, options, false)? {
        crate::detect::Opened::Parquet(file) => CallColumns::new(path, plan, file),
        _ => Ok(None),
    }
}

/// The calls of a Parquet file, some thousand rows at a time.
pub struct CallColumns<'p> {
    path: PathBuf,
    plan: &'p NumberPlan,
    file: SerializedFileReader<File>,
    found: [Option<Found>; 14],
    next_group: usize,
    group: Option<Group>,
    batch: CallBatch,
}

/// Some rows of a row group.
#[derive(Debug, Default)]
pub struct CallBatch {
    /// Which row group of the file it is, from 0.
    pub group: usize,
    /// Number of its first row, from 0.
    pub first_row: u64,
    /// How many rows it has.
    pub rows: usize,
    /// The rows (from 0, of this batch) whose calls are in the columns below. What these have for other rows means
    /// nothing.
    pub calls: Vec<u32>,
    /// The other rows: calls that are written in unusual ways, and what is no call.
    pub others: Vec<(u32, Result<CallRecord, RecordError>)>,
    /// The producer's names for the calls.
    pub call_id: Texts,
    /// The A-numbers.
    pub caller: Numbers,
    /// The B-numbers.
    pub callee: Numbers,
    started_at_ms: Vec<Option<i64>>,
    answered_at_ms: Vec<Option<i64>>,
    ended_at_ms: Vec<Option<i64>>,
    /// Names of an [`Outcome`].
    pub outcome: Texts,
    /// Names of a [`cdr::Channel`].
    pub channel: Texts,
    /// The trunks.
    pub trunk: Texts,
    /// The radio cells.
    pub cell_id: Texts,
    /// The handsets.
    pub imei: Texts,
    cost_micros: Vec<Option<i64>>,
    /// ISO 4217 codes.
    pub currency: Texts,
    /// Addresses in their canonical form.
    pub caller_ip: Texts,
}

/// Numbers of some rows: as they are written, and what they are.
#[derive(Debug, Default)]
pub struct Numbers {
    raw: Texts,
    /// One for each code; `None` for what is no number.
    numbers: Vec<Option<Number>>,
}

impl Numbers {
    /// The number of a row, which has a call.
    pub fn get(&self, row: usize) -> Option<&Number> {
        self.numbers[self.raw.code(row)?].as_ref()
    }

    /// The code of a row, which has a call.
    pub fn code(&self, row: usize) -> Option<usize> {
        self.raw.code(row)
    }

    /// The number of each code.
    pub fn all(&self) -> &[Option<Number>] {
        &self.numbers
    }

    /// See [`Texts::dictionary_len`].
    pub const fn dictionary_len(&self) -> usize {
        self.raw.dictionary_len()
    }
}

impl<'p> CallColumns<'p> {
    fn new(path: &Path, plan: &'p NumberPlan, file: File) -> Result<Option<Self>, FileError> {
        let (file, found) = open_file(path, file)?;
        let is_of_codes = file.metadata().row_groups().iter().all(|group| {
            let texts = COLUMNS.iter().zip(&found).filter(|(column, _)| column.kind == Kind::Text);
            texts.filter_map(|(_, found)| *found).all(|found| {
                let chunk = group.columns().get(found.index);
                chunk.is_some_and(|chunk| chunk.encodings().all(|encoding| ENCODINGS.contains(&encoding)))
            })
        });
        let (path, batch) = (path.to_owned(), CallBatch::default());
        Ok(is_of_codes.then_some(Self { path, plan, file, found, next_group: 0, group: None, batch }))
    }

    /// No call of the file begins before the first of these times or after the last, in milliseconds since 1970 UTC, if
    /// its footer says so; empty where it has no rows. Rows that are no call may have any time: both are within those
    /// that a call may have.
    pub fn started_between(&self) -> Option<RangeInclusive<i64>> {
        let place = COLUMNS.iter().position(|column| column.name == "started_at")?;
        let Found { index, per_milli } = self.found[place]?;
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        for group in self.file.metadata().row_groups().iter().filter(|group| group.num_rows() > 0) {
            let statistics =
                group.columns().get(index)?.statistics().filter(|bounds| !bounds.is_min_max_deprecated())?;
            let Statistics::Int64(bounds) = statistics else { return None };
            first = first.min(bounds.min_opt()?.div_euclid(per_milli));
            last = last.max(bounds.max_opt()?.div_euclid(per_milli));
        }
        let may_be = |ms: i64| ms.clamp(TIME_FROM_MS, TIME_UNTIL_MS);
        let is_empty = first > last;
        Some(if is_empty { RangeInclusive::new(TIME_UNTIL_MS, TIME_FROM_MS) } else { may_be(first)..=may_be(last) })
    }

    /// The next rows; `None` at the end of the file. After an error there is nothing more.
    pub fn next_batch(&mut self) -> Result<Option<&CallBatch>, FileError> {
        match guarded(|| self.read_batch()) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => {
                self.next_group = self.file.num_row_groups();
                self.group = None;
                return Err(damaged(&self.path, &error));
            }
        }
        self.batch.judge(self.plan);
        Ok(Some(&self.batch))
    }

    /// False at the end of the file.
    fn read_batch(&mut self) -> Result<bool, ParquetError> {
        loop {
            if let Some(group) = &mut self.group
                && group.remaining > 0
            {
                group.read(&mut self.batch)?;
                return Ok(true);
            }
            if self.next_group == self.file.num_row_groups() {
                return Ok(false);
            }
            self.group = Some(Group::open(&self.file, self.next_group, &self.found)?);
            let first_row = self.batch.first_row + self.batch.rows as u64;
            self.batch = CallBatch { group: self.next_group, first_row, ..CallBatch::default() };
            self.next_group += 1;
        }
    }
}

/// A row group that is being read.
struct Group {
    columns: [Option<Reader>; 14],
    /// Rows that are not read yet.
    remaining: usize,
}

enum Reader {
    Texts(CodeReader),
    Wholes(Batch<Int64Type>, i64),
}

impl Group {
    fn open(
        file: &SerializedFileReader<File>,
        index: usize,
        found: &[Option<Found>; 14],
    ) -> Result<Self, ParquetError> {
        let group = file.get_row_group(index)?;
        let remaining = rows_of(group.as_ref())?;
        let mut columns = [const { None }; 14];
        for ((place, column), found) in columns.iter_mut().zip(&COLUMNS).zip(found) {
            let Some(Found { index, per_milli }) = *found else { continue };
            let schema = group.metadata().schema_descr().column(index);
            let pages = group.get_column_page_reader(index)?;
            *place = Some(if column.kind == Kind::Text {
                Reader::Texts(CodeReader::new(&schema, pages)?)
            } else {
                let nullable = schema.max_def_level() > 0;
                Reader::Wholes(Batch::new(ColumnReaderImpl::new(schema, pages), nullable), per_milli)
            });
        }
        Ok(Self { columns, remaining })
    }

    /// Reads the next rows, of which there are some.
    fn read(&mut self, batch: &mut CallBatch) -> Result<(), ParquetError> {
        let rows = self.remaining.min(PARQUET_COLUMN_ROWS);
        batch.first_row += batch.rows as u64;
        batch.rows = rows;
        for ((column, reader), place) in COLUMNS.iter().zip(&mut self.columns).zip(batch.columns()) {
            match (reader, place) {
                (Some(Reader::Texts(reader)), Place::Texts(texts)) => reader.read(rows, texts)?,
                (Some(Reader::Wholes(reader, per_milli)), Place::Wholes(wholes)) => {
                    reader.decode(column.name, rows)?;
                    wholes.clear();
                    wholes.extend((0..rows).map(|row| reader.step(row).copied()));
                    if *per_milli != 1 {
                        wholes.iter_mut().flatten().for_each(|value| *value = value.div_euclid(*per_milli));
                    }
                }
                (None, Place::Wholes(wholes)) => wholes.resize(rows, None),
                _ => {}
            }
        }
        self.remaining -= rows;
        Ok(())
    }
}

enum Place<'b> {
    Texts(&'b mut Texts),
    Wholes(&'b mut Vec<Option<i64>>),
}

impl CallBatch {
    /// When the call of a row began, in milliseconds since 1970 UTC.
    pub fn started_at_ms(&self, row: usize) -> i64 {
        self.started_at_ms[row].unwrap_or_default()
    }

    /// When the call of a row was answered.
    pub fn answered_at_ms(&self, row: usize) -> Option<i64> {
        self.answered_at_ms[row]
    }

    /// When the call of a row ended.
    pub fn ended_at_ms(&self, row: usize) -> i64 {
        self.ended_at_ms[row].unwrap_or_default()
    }

    /// What the call of a row cost, in millionths of its currency.
    pub fn cost_micros(&self, row: usize) -> Option<i64> {
        self.cost_micros[row]
    }

    /// In the order of [`COLUMNS`].
    fn columns(&mut self) -> [Place<'_>; 14] {
        [
            Place::Texts(&mut self.call_id),
            Place::Texts(&mut self.caller.raw),
            Place::Texts(&mut self.callee.raw),
            Place::Wholes(&mut self.started_at_ms),
            Place::Wholes(&mut self.answered_at_ms),
            Place::Wholes(&mut self.ended_at_ms),
            Place::Texts(&mut self.outcome),
            Place::Texts(&mut self.channel),
            Place::Texts(&mut self.trunk),
            Place::Texts(&mut self.cell_id),
            Place::Texts(&mut self.imei),
            Place::Wholes(&mut self.cost_micros),
            Place::Texts(&mut self.currency),
            Place::Texts(&mut self.caller_ip),
        ]
    }

    /// Applies the rules: to each different value once, to what rows have together by row. Rows that break any go
    /// through the one place that says which, and in which order they are looked at.
    fn judge(&mut self, plan: &NumberPlan) {
        self.caller.judge(plan);
        self.callee.judge(plan);
        self.call_id.judge(|text| rules::call_id(Some(text)).is_ok());
        self.outcome.judge(|text| rules::outcome(text).is_ok());
        self.channel.judge(|text| rules::channel(text).is_ok());
        for (name, texts) in [("trunk", &mut self.trunk), ("cell_id", &mut self.cell_id), ("imei", &mut self.imei)] {
            texts.judge(|text| rules::text(name, Some(text)).is_ok());
        }
        self.currency.judge(|text| rules::currency(text).is_ok());
        // Another form of an address is made canonical by itself.
        self.caller_ip.judge(|text| rules::address(text).is_ok_and(|canonical| canonical == text));

        let mut holds = self.times_hold();
        for texts in [&self.call_id, &self.caller.raw, &self.callee.raw, &self.outcome] {
            texts.and_hold(true, &mut holds);
        }
        for texts in [&self.channel, &self.trunk, &self.cell_id, &self.imei, &self.currency, &self.caller_ip] {
            texts.and_hold(false, &mut holds);
        }
        for (row, holds) in holds.iter_mut().enumerate() {
            let cost = self.cost_micros[row];
            *holds &= cost.is_none() || rules::check_cost(cost, self.currency.code(row).is_some()).is_ok();
        }
        self.calls.clear();
        self.others.clear();
        for (row, holds) in holds.iter().enumerate() {
            if *holds {
                self.calls.push(row as u32);
            } else {
                let call = self.raw(row).and_then(|raw| raw.validate(plan));
                self.others.push((row as u32, call));
            }
        }
    }

    /// Whether the times of each row are in order, and fit its outcome.
    fn times_hold(&self) -> Vec<bool> {
        let is_answered: Vec<bool> =
            (0..self.outcome.len()).map(|code| self.outcome.text(code) == Outcome::Answered.as_str()).collect();
        let times = self.started_at_ms.iter().zip(&self.answered_at_ms).zip(&self.ended_at_ms);
        let holds = times.zip(self.outcome.codes()).map(|(((started, answered), ended), outcome)| {
            let (Some(started), Some(ended)) = (*started, *ended) else { return false };
            // Between two times that are in range.
            rules::in_range("started_at", started).is_ok()
                && rules::in_range("ended_at", ended).is_ok()
                && rules::check_order(started, *answered, ended).is_ok()
                && *outcome != ABSENT
                && is_answered[*outcome as usize] == answered.is_some()
        });
        holds.collect()
    }

    /// A row as it came in.
    fn raw(&self, row: usize) -> Result<RawRecord<'_>, RecordError> {
        fn text<'t>(field: &'static str, texts: &'t Texts, row: usize) -> Result<Option<Cow<'t, str>>, RecordError> {
            Ok(texts.raw(field, row)?.map(Cow::Borrowed))
        }
        Ok(RawRecord {
            call_id: text("call_id", &self.call_id, row)?,
            caller: text("caller", &self.caller.raw, row)?,
            callee: text("callee", &self.callee.raw, row)?,
            started_at_ms: self.started_at_ms[row],
            answered_at_ms: self.answered_at_ms[row],
            ended_at_ms: self.ended_at_ms[row],
            outcome: text("outcome", &self.outcome, row)?,
            channel: text("channel", &self.channel, row)?,
            trunk: text("trunk", &self.trunk, row)?,
            cell_id: text("cell_id", &self.cell_id, row)?,
            imei: text("imei", &self.imei, row)?,
            cost_micros: self.cost_micros[row],
            currency: text("currency", &self.currency, row)?,
            caller_ip: text("caller_ip", &self.caller_ip, row)?,
        })
    }
}

impl Numbers {
    fn judge(&mut self, plan: &NumberPlan) {
        let Self { raw, numbers } = self;
        numbers.truncate(raw.judged());
        raw.judge(|text| {
            numbers.push(plan.parse(text).ok());
            numbers.last().is_some_and(Option::is_some)
        });
    }
}
