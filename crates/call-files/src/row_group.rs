//! The rows of a row group until it is written: texts as codes, so that a call takes some 80 bytes.

use cdr::{Channel, Number, NumberKind, NumberPlan, Outcome};
use parquet::data_type::Int64Type;
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedRowGroupWriter;

use crate::derived::DERIVED;
use crate::interner::Interner;
use crate::parquet_columns::COLUMNS;
use crate::parquet_writer::{CallRow, NumberSeries};
use crate::replacing_file::ReplacingFile;
use crate::text_chunk::{ABSENT, ChunkWriter, Rows};

/// What is known of a number, and from whom.
pub(crate) enum Known {
    Plan(Number),
    Series(NumberSeries),
}

/// Rows that are not written yet.
#[derive(Default)]
pub(crate) struct Group {
    /// Ids as a page of plain texts has them: no two are alike.
    ids: Vec<u8>,
    caller: Party,
    callee: Party,
    started: Vec<i64>,
    answered: Moments,
    ended: Vec<i64>,
    outcome: Column,
    channel: Column,
    trunk: Column,
    cell: Column,
    imei: Column,
    cost: Moments,
    currency: Column,
    caller_ip: Column,
}

/// A text column.
#[derive(Default)]
struct Column {
    texts: Interner,
    codes: Vec<u32>,
}

/// A column of numbers, and what follows from each different number.
#[derive(Default)]
struct Party {
    numbers: Column,
    /// Country, prefix and kind of each different number, in the order of their codes.
    facts: [Column; 3],
}

/// A column of whole numbers that some rows lack.
#[derive(Default)]
struct Moments {
    values: Vec<i64>,
    present: Vec<i16>,
}

type Writer<'w> = SerializedRowGroupWriter<'w, ReplacingFile>;

impl Group {
    pub fn rows(&self) -> usize {
        self.started.len()
    }

    /// Adds a row. `number` is asked for each number that no row had before; where it fails, the row is not added.
    pub fn push<E>(&mut self, row: &CallRow<'_>, number: impl Fn(&str) -> Result<Known, E>) -> Result<(), E> {
        // Numbers first: a text that stays in a dictionary without a row does no harm.
        let caller = self.caller.code(row.caller, &number)?;
        let callee = self.callee.code(row.callee, &number)?;
        self.caller.numbers.codes.push(caller);
        self.callee.numbers.codes.push(callee);
        self.ids.extend((row.call_id.len() as u32).to_le_bytes());
        self.ids.extend(row.call_id.as_bytes());
        self.started.push(row.started_at_ms);
        self.answered.push(row.answered_at_ms);
        self.ended.push(row.ended_at_ms);
        self.outcome.push(Some(Outcome::as_str(row.outcome)));
        self.channel.push(row.channel.map(Channel::as_str));
        self.trunk.push(row.trunk);
        self.cell.push(row.cell_id);
        self.imei.push(row.imei);
        self.cost.push(row.cost_micros);
        self.currency.push(row.currency);
        self.caller_ip.push(row.caller_ip);
        Ok(())
    }

    /// Writes columns in the order of [`COLUMNS`], then of [`DERIVED`].
    pub fn write(&self, group: &mut Writer<'_>, chunks: &mut ChunkWriter) -> Result<(), ParquetError> {
        let mut out = Out { group, chunks, next: 0 };
        out.texts(Rows::Plain { texts: &self.ids, rows: self.rows() })?;
        out.column(&self.caller.numbers)?;
        out.column(&self.callee.numbers)?;
        out.wholes(&self.started, None)?;
        out.wholes(&self.answered.values, Some(&self.answered.present))?;
        out.wholes(&self.ended, None)?;
        for column in [&self.outcome, &self.channel, &self.trunk, &self.cell, &self.imei] {
            out.column(column)?;
        }
        out.wholes(&self.cost.values, Some(&self.cost.present))?;
        out.column(&self.currency)?;
        out.column(&self.caller_ip)?;
        let mut plan = Interner::default();
        let (version, _) = plan.code(NumberPlan::metadata_version());
        out.texts(Rows::Coded(&plan, &mut std::iter::repeat_n(version, self.rows())))?;
        for party in [&self.caller, &self.callee] {
            for facts in &party.facts {
                let codes = party.numbers.codes.iter().map(|number| facts.codes[*number as usize]);
                out.texts(Rows::Coded(&facts.texts, &mut { codes }))?;
            }
        }
        debug_assert_eq!(out.next, COLUMNS.len() + DERIVED.len());
        Ok(())
    }

    /// Forgets the rows, and keeps the memory.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.started.clear();
        self.answered.clear();
        self.ended.clear();
        self.cost.clear();
        self.caller.clear();
        self.callee.clear();
        let columns = [&mut self.outcome, &mut self.channel, &mut self.trunk, &mut self.cell, &mut self.imei];
        columns.into_iter().chain([&mut self.currency, &mut self.caller_ip]).for_each(Column::clear);
    }
}

impl Column {
    fn push(&mut self, text: Option<&str>) {
        let code = text.map_or(ABSENT, |text| self.texts.code(text).0);
        self.codes.push(code);
    }

    fn clear(&mut self) {
        self.texts.clear();
        self.codes.clear();
    }
}

impl Party {
    /// The code of a number.
    fn code<E>(&mut self, text: &str, number: impl Fn(&str) -> Result<Known, E>) -> Result<u32, E> {
        let (code, is_new) = self.numbers.texts.code(text);
        if is_new {
            let number = number(text).inspect_err(|_| self.numbers.texts.take_back())?;
            let [country, prefix, kind] = &mut self.facts;
            match &number {
                Known::Plan(number) => {
                    country.push(number.country());
                    prefix.push(number.prefix());
                    kind.push(Some(number.kind().as_str()));
                }
                Known::Series(series) => {
                    country.push(Some(series.country));
                    prefix.push(text.get(..series.prefix_bytes));
                    kind.push(Some(NumberKind::E164.as_str()));
                }
            }
        }
        Ok(code)
    }

    fn clear(&mut self) {
        self.numbers.clear();
        self.facts.iter_mut().for_each(Column::clear);
    }
}

impl Moments {
    fn push(&mut self, value: Option<i64>) {
        self.present.push(i16::from(value.is_some()));
        self.values.extend(value);
    }

    fn clear(&mut self) {
        self.values.clear();
        self.present.clear();
    }
}

/// Where columns are written, one after the other.
struct Out<'o, 'w> {
    group: &'o mut Writer<'w>,
    chunks: &'o mut ChunkWriter,
    next: usize,
}

impl Out<'_, '_> {
    fn column(&mut self, column: &Column) -> Result<(), ParquetError> {
        self.texts(Rows::Coded(&column.texts, &mut column.codes.iter().copied()))
    }

    fn texts(&mut self, rows: Rows<'_>) -> Result<(), ParquetError> {
        let chunk = self.chunks.write(self.next, rows)?;
        self.next += 1;
        self.group.append_column(&chunk.bytes, chunk.close)
    }

    fn wholes(&mut self, values: &[i64], present: Option<&[i16]>) -> Result<(), ParquetError> {
        let missing = || ParquetError::General(format!("column {} is not in the schema", self.next));
        let mut column = self.group.next_column()?.ok_or_else(missing)?;
        self.next += 1;
        column.typed::<Int64Type>().write_batch(values, present, None)?;
        column.close()
    }
}
