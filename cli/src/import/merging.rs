//! The calls of several files: the legs of a call may lie in different ones, as FreeSWITCH writes a file a leg.

use call_files::{FileCall, FileLeg, Format, LINGER_MS, LegMerger, MergeRule, Merged, ReadError, RowError};

use crate::call_input::{Refusals, hidden, open_or_empty};
use crate::failure::{Failure, Outcome};
use crate::import::reading::Source;

/// What was found in a file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FileFound {
    /// `None`: it is empty.
    pub(crate) format: Option<Format>,
    /// Rows that tell of a leg, or of nothing that can be used.
    pub(crate) rows: u64,
    /// Calls whose winning leg is in it.
    pub(crate) calls: u64,
    /// Rows of it that cannot be used.
    pub(crate) refused: u64,
}

/// Where a leg comes from.
#[derive(Clone, Copy)]
struct Origin {
    /// Of the file among those that are read.
    place: usize,
    row: u64,
}

/// Reads the calls of the files in their order, under pseudonyms where there are some, and gives each with the place of
/// its file. What cannot be used goes to `refused`. One file after the other is read as one, as far as they have the same
/// rule for legs.
pub(crate) fn read_files(
    source: &Source,
    refused: &mut Refusals,
    each: impl FnMut(usize, FileCall) -> Outcome,
) -> Result<Vec<FileFound>, Failure> {
    let found = vec![FileFound::default(); source.files.len()];
    let mut files = Files { source, refused, each, found };
    let mut merger: Option<(MergeRule, LegMerger<Origin>)> = None;
    for (place, file) in source.files.iter().enumerate() {
        let Some(legs) = open_or_empty(file, &source.plan, &source.options, files.refused)? else { continue };
        files.found[place].format = Some(legs.format());
        if let Some((rule, mut before)) = merger.take() {
            if legs.merge_rule() == Some(rule) {
                merger = Some((rule, before));
            } else {
                before.finish();
                files.give(&mut before)?;
            }
        }
        let rule = legs.merge_rule();
        for leg in legs {
            files.found[place].rows += 1;
            match (leg, rule) {
                (Ok(leg), Some(rule)) if !leg.leg.links.is_empty() => {
                    let (_, merger) = merger.get_or_insert_with(|| (rule, LegMerger::new(rule, LINGER_MS)));
                    merger.push(leg.leg, Origin { place, row: leg.row });
                    files.give(merger)?;
                }
                (Ok(leg), _) => files.take(place, only_leg(leg))?,
                (Err(ReadError::Row(error)), _) => files.refuse(place, &error)?,
                (Err(ReadError::File(error)), _) => return Err(Failure::user(error)),
            }
        }
    }
    if let Some((_, mut merger)) = merger {
        merger.finish();
        files.give(&mut merger)?;
    }
    Ok(files.found)
}

struct Files<'a, E> {
    source: &'a Source,
    refused: &'a mut Refusals,
    each: E,
    found: Vec<FileFound>,
}

impl<E: FnMut(usize, FileCall) -> Outcome> Files<'_, E> {
    /// Gives what is whole.
    fn give(&mut self, merger: &mut LegMerger<Origin>) -> Outcome {
        while let Some(merged) = merger.next_ready() {
            match merged {
                Merged::Call { call, tag: Origin { place, row }, .. } => {
                    let call = FileCall { row, position: None, arrived_at_ms: None, unknown_fields: 0, call };
                    self.take(place, call)?;
                }
                Merged::Refused { tag: Origin { place, row }, error } => {
                    let format = self.format(place);
                    self.refuse(place, &RowError { format, row, position: None, arrived_at_ms: None, error })?;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, place: usize, call: FileCall) -> Outcome {
        match hidden(call, &self.source.plan, self.source.pseudonyms.as_ref(), self.format(place)) {
            Ok(call) => {
                self.found[place].calls += 1;
                (self.each)(place, call)
            }
            Err(error) => self.refuse(place, &error),
        }
    }

    fn refuse(&mut self, place: usize, error: &RowError) -> Outcome {
        self.found[place].refused += 1;
        self.refused.note(&self.source.files[place], error)
    }

    /// Of a file that a row was read of.
    fn format(&self, place: usize) -> Format {
        self.found[place].format.unwrap_or(Format::JsonLines)
    }
}

fn only_leg(leg: FileLeg) -> FileCall {
    let FileLeg { row, position, arrived_at_ms, unknown_fields, leg, .. } = leg;
    FileCall { row, position, arrived_at_ms, unknown_fields, call: leg.call }
}
