//! Records of Firehose into lines, one answer a record.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cdr::NumberPlan;
use tiles::Position;

use crate::event::{ArchivedRecord, FirehoseEvent, FirehoseRecord, FirehoseResponse, Outcome, StreamRecord};
use crate::limits::{LINE_FRAME_BYTES, RECORD_FRAME_BYTES, RESPONSE_BYTES_MAX, RESPONSE_FRAME_BYTES};
use crate::line::{Line, write_line};
use crate::report::{ArchiveReport, NotArchived};

/// Makes lines of records. The answers are in the order of the records and have their ids; together they are at most
/// [`RESPONSE_BYTES_MAX`] bytes of JSON.
pub fn transform(plan: &NumberPlan, event: FirehoseEvent) -> (FirehoseResponse, ArchiveReport) {
    let mut report = ArchiveReport { received: event.records.len() as u64, ..ArchiveReport::default() };
    // Each can be answered without data: an answer without is shorter than the record in the event, which Lambda does not
    // let grow beyond the same bound.
    let frames: usize = event.records.iter().map(|record| RECORD_FRAME_BYTES + record.record_id.len()).sum();
    let mut room = RESPONSE_BYTES_MAX.saturating_sub(RESPONSE_FRAME_BYTES + frames);
    let answers = event.records.into_iter().map(|record| {
        let archived = archive(plan, &record).and_then(|lines| {
            let bytes = base64::encoded_len(lines.text.len(), true).unwrap_or(usize::MAX);
            room = room.checked_sub(bytes).ok_or(NotArchived::AnswerFull)?;
            Ok(lines)
        });
        let (result, data) = match archived {
            Ok(lines) if lines.text.is_empty() => (Outcome::Dropped, None),
            Ok(lines) => {
                report.lines += lines.count;
                report.unreadable += lines.unreadable;
                (Outcome::Ok, Some(STANDARD.encode(lines.text)))
            }
            Err(why) => {
                report.not_archived(why);
                (Outcome::ProcessingFailed, None)
            }
        };
        ArchivedRecord { record_id: record.record_id, result, data }
    });
    (FirehoseResponse { records: answers.collect() }, report)
}

/// The lines of a record.
#[derive(Default)]
struct Lines {
    text: String,
    count: u64,
    unreadable: u64,
}

fn archive(plan: &NumberPlan, record: &FirehoseRecord) -> Result<Lines, NotArchived> {
    let bytes = STANDARD.decode(&record.data).map_err(|_| NotArchived::NotBase64)?;
    let placed = record.kinesis_record_metadata.as_ref().and_then(place);
    let (first, arrived_at_ms) = placed.ok_or(NotArchived::NoPosition)?;
    let mut lines = Lines::default();
    lines.text.reserve(bytes.len() + LINE_FRAME_BYTES);
    let mut write = |position, bytes: &[u8]| {
        lines.count += 1;
        let line = write_line(&mut lines.text, plan, position, arrived_at_ms, bytes);
        lines.unreadable += u64::from(line == Line::Bytes);
    };
    // As count-calls has it: an aggregate that cannot be taken apart stays whole, at the position of its record. One that
    // Firehose took out of another would take the positions of its neighbours.
    let is_part = record.kinesis_record_metadata.as_ref().is_some_and(|of| of.subsequence_number.unwrap_or(0) > 0);
    let parts = if cdr::is_aggregate(&bytes) && !is_part { cdr::deaggregate(&bytes).ok() } else { None };
    match parts {
        Some(parts) => (0..).zip(parts).for_each(|(n, part)| write(first.with_sub_sequence(n), part)),
        None => write(first, &bytes),
    }
    Ok(lines)
}

/// The position of a record, and when it arrived.
fn place(record: &StreamRecord) -> Option<(Position, i64)> {
    let sub_sequence = u32::try_from(record.subsequence_number.unwrap_or(0)).ok()?;
    let position = Position::parse(&record.sequence_number, sub_sequence)?;
    Some((position, record.approximate_arrival_timestamp?))
}
