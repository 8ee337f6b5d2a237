//! What the answer of a handler means for its batch.

use std::collections::HashMap;

use aws_lambda_events::streams::KinesisEventResponse;

use crate::Record;

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every record is done.
    Done,
    /// The records before this index are done; it and all after it are to be delivered again.
    FailedFrom(usize),
    /// Nothing of it counts as done.
    Failed,
}

impl Verdict {
    /// Reads a response as Lambda does: no failures means done; the failure with the lowest sequence number is
    /// where to go on; an identifier that is absent, empty or not of this batch fails the whole batch.
    pub fn of<'a>(response: &KinesisEventResponse, batch: impl IntoIterator<Item = &'a Record>) -> Self {
        if response.batch_item_failures.is_empty() {
            return Self::Done;
        }
        let indexes: HashMap<&str, usize> =
            batch.into_iter().enumerate().map(|(index, record)| (record.sequence_number.as_str(), index)).collect();
        // Records are in order of sequence number, so the lowest number is the lowest index.
        let lowest = response
            .batch_item_failures
            .iter()
            .map(|failure| indexes.get(failure.item_identifier.as_deref().unwrap_or_default()).copied())
            .collect::<Option<Vec<usize>>>()
            .and_then(|failed| failed.into_iter().min());
        lowest.map_or(Self::Failed, Self::FailedFrom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Vec<Record> {
        // The third is numerically above the second and below it as text.
        ["7", "9", "10"]
            .map(|number| Record {
                sequence_number: number.to_owned(),
                partition_key: "k".to_owned(),
                data: Vec::new(),
                arrived_at_ms: 0,
            })
            .to_vec()
    }

    fn verdict(failures: &[&str]) -> Verdict {
        let mut response = KinesisEventResponse::default();
        response.set_failures(failures.iter().copied());
        Verdict::of(&response, &batch())
    }

    #[test]
    fn the_lowest_failure_is_where_to_go_on() {
        assert_eq!(verdict(&[]), Verdict::Done);
        assert_eq!(verdict(&["10"]), Verdict::FailedFrom(2));
        assert_eq!(verdict(&["10", "9"]), Verdict::FailedFrom(1));
        assert_eq!(verdict(&["7"]), Verdict::FailedFrom(0));
    }

    #[test]
    fn an_identifier_that_names_no_record_fails_the_batch() {
        assert_eq!(verdict(&[""]), Verdict::Failed);
        assert_eq!(verdict(&["10", "8"]), Verdict::Failed);
        let mut response = KinesisEventResponse::default();
        response.add_failure("9");
        response.batch_item_failures[0].item_identifier = None;
        assert_eq!(Verdict::of(&response, &batch()), Verdict::Failed);
    }
}
