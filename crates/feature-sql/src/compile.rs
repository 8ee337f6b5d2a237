//! All queries of a feature set.

use features::{BatchWindow, FeatureSet, Level, Party};

use crate::calls::calls;
use crate::records::{Input, NUMBER_PLAN, archive_columns, records};
use crate::table::{Part, Table, table, with};
use crate::target::{STATEMENT_BYTES_MAX, Target};

/// What cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// No feature has a batch window.
    #[error("no feature has a batch window: give one of them batch = [\"1d\"]")]
    NothingToCompute,
    /// A statement is longer than the engine takes.
    #[error(
        "the statement of {party}:{level} has {bytes} bytes, and Athena takes at most {STATEMENT_BYTES_MAX}: \
         shorten the lists it looks values up in, or use the target spark"
    )]
    TooLong {
        /// Whose table it is.
        party: &'static str,
        /// Whose table it is.
        level: &'static str,
        /// Its length.
        bytes: usize,
    },
}

/// A feature set as SQL. The queries read each other by name: `records` reads `archive`, `calls` reads `records` and
/// takes the parameter, tables and the check read `calls`.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Whose SQL it is.
    pub target: Target,
    /// Of the definitions.
    pub feature_set_version: String,
    /// Days of the longest window.
    pub longest_days: u32,
    /// Columns of `archive` over lines of the archive, with their types.
    pub archive_columns: String,
    /// `calls` over `records`: each call once, with the fields that tables need.
    pub calls: String,
    /// `calls` over `archive`, as the statement that makes a table of them where the engine is Athena.
    pub calls_statement: String,
    /// How many calls there are, and of how many the derived fields were made by the number plan of these
    /// definitions. The others would be counted under other keys than the batch job's, or not at all.
    pub check: String,
    /// One a party and level that has features with batch windows.
    pub tables: Vec<Table>,
}

impl Compiled {
    /// `records`, from either kind of file.
    pub fn records(&self, input: Input) -> String {
        records(self.target, input)
    }
}

/// Compiles the batch windows of a feature set.
pub fn compile(set: &FeatureSet, target: Target) -> Result<Compiled, CompileError> {
    let levels = || Party::ALL.into_iter().flat_map(|party| Level::ALL.map(|level| (party, level)));
    let windows = levels().flat_map(|(party, level)| set.batch_windows(party, level));
    let longest_days = windows.map(BatchWindow::days).max().ok_or(CompileError::NothingToCompute)?;
    let plan = target.text(set.number_plan());
    let calls = calls(target, set, longest_days);
    let parts = [
        Part { name: "records", query: records(target, Input::Lines) },
        Part { name: "as_of", query: target.as_of().to_owned() },
    ];
    let head = if target == Target::Athena { "create table calls with (format = 'PARQUET') as\n" } else { "" };
    let tables: Vec<Table> = levels().filter_map(|(party, level)| table(target, set, party, level)).collect();
    let too_long = tables.iter().find(|table| target == Target::Athena && table.query.len() > STATEMENT_BYTES_MAX);
    if let Some(Table { party, level, query, .. }) = too_long {
        return Err(CompileError::TooLong { party: party.as_str(), level: level.as_str(), bytes: query.len() });
    }
    Ok(Compiled {
        target,
        feature_set_version: set.version().to_owned(),
        longest_days,
        archive_columns: archive_columns(),
        calls: with(&parts[1..], &calls),
        calls_statement: format!("{head}{}", with(&parts, &calls)),
        check: format!(
            "select count(*) as calls, count(case when {NUMBER_PLAN} = {plan} then 1 end) as calls_of_this_plan\nfrom calls"
        ),
        tables,
    })
}
