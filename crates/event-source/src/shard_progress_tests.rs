#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/calls";

fn record(n: usize) -> Record {
    Record { sequence_number: n.to_string(), partition_key: "k".to_owned(), data: vec![0], arrived_at_ms: n as i64 }
}

fn records(range: std::ops::Range<usize>) -> Vec<Record> {
    range.map(record).collect()
}

fn progress(settings: Settings) -> ShardProgress {
    ShardProgress::new(settings, ARN, "shardId-000000000000", None)
}

fn settings(batch_size: usize) -> Settings {
    Settings { batch_size, ..Settings::default() }
}

/// Delivers the next batch and gives its sequence numbers.
fn deliver(progress: &mut ShardProgress, now_ms: i64) -> Vec<usize> {
    match progress.next(now_ms, false) {
        Step::Deliver(batch) => {
            progress.records(batch.len).map(|record| record.sequence_number.parse().unwrap()).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_batch_is_cut_at_its_size_and_settled_in_order() {
    let mut progress = progress(settings(3));
    assert_eq!(progress.next(0, false), Step::Read { limit: 3, deliver_at_ms: None });
    progress.push(0, records(0..5), true);
    assert_eq!(deliver(&mut progress, 0), [0, 1, 2]);
    assert_eq!(progress.next(0, false), Step::Await);
    assert_eq!(progress.settle(0, Verdict::Done), Settled { done: 3, discarded: None });
    assert_eq!(progress.checkpoint(), Some("2"));
    assert_eq!(deliver(&mut progress, 0), [3, 4]);
    progress.settle(0, Verdict::Done);
    assert_eq!(progress.next(0, false), Step::Finished);
}

#[test]
fn a_batch_is_cut_at_its_bytes() {
    let mut progress = progress(settings(MAX_BATCH_BYTES));
    let large: Vec<Record> = (0..7).map(|n| Record { data: vec![0; 1_000_000], ..record(n) }).collect();
    progress.push(0, large, false);
    // 1,000,000 bytes are 1,333,336 in base64: four fit into 6 MiB.
    assert_eq!(deliver(&mut progress, 0), [0, 1, 2, 3]);
    progress.settle(0, Verdict::Done);
    assert_eq!(deliver(&mut progress, 0), [4, 5, 6]);
}

#[test]
fn a_record_larger_than_a_batch_goes_alone() {
    let mut progress = progress(settings(10));
    progress.push(0, vec![Record { data: vec![0; MAX_BATCH_BYTES], ..record(0) }, record(1)], false);
    assert_eq!(deliver(&mut progress, 0), [0]);
}

#[test]
fn a_batch_waits_for_its_window_unless_full_ended_or_flushed() {
    let window = Settings { batching_window: Duration::from_millis(50), ..settings(3) };
    let mut progress = progress(window.clone());
    progress.push(100, records(0..1), false);
    let read = Step::Read { limit: 2, deliver_at_ms: Some(150) };
    assert_eq!(progress.next(100, false), read);
    progress.push(120, Vec::new(), false);
    assert_eq!(progress.next(149, false), read);
    assert!(matches!(progress.clone().next(149, true), Step::Deliver(Batch { len: 1, .. })));
    let mut ended = progress.clone();
    ended.push(120, Vec::new(), true);
    assert!(matches!(ended.next(149, false), Step::Deliver(Batch { len: 1, .. })));
    let mut full = progress.clone();
    full.push(120, records(1..3), false);
    assert!(matches!(full.next(120, false), Step::Deliver(Batch { len: 3, .. })));
    assert!(matches!(progress.next(150, false), Step::Deliver(Batch { len: 1, .. })));
}

#[test]
fn a_partial_failure_goes_on_from_the_checkpoint() {
    let mut progress = progress(settings(4));
    progress.push(0, records(0..6), false);
    assert_eq!(deliver(&mut progress, 0), [0, 1, 2, 3]);
    assert_eq!(progress.settle(0, Verdict::FailedFrom(2)), Settled { done: 2, discarded: None });
    assert_eq!(progress.checkpoint(), Some("1"));
    assert_eq!(progress.next(0, false), Step::Wait { until_ms: 100 });
    // The rest of the batch, not topped up with what is there since.
    assert!(matches!(progress.next(100, false), Step::Deliver(Batch { len: 2, redelivered: 2 })));
    progress.settle(100, Verdict::Done);
    assert!(matches!(progress.next(100, false), Step::Deliver(Batch { len: 2, redelivered: 0 })));
}

#[test]
fn waits_double_and_end_with_success() {
    let backoff = crate::RetryBackoff { first: Duration::from_millis(100), max: Duration::from_millis(350) };
    let mut progress = progress(Settings { retry_backoff: backoff, ..settings(1) });
    progress.push(0, records(0..2), false);
    let mut now = 0;
    for wait in [100, 200, 350, 350] {
        assert_eq!(deliver(&mut progress, now), [0]);
        progress.settle(now, Verdict::Failed);
        assert_eq!(progress.next(now, false), Step::Wait { until_ms: now + wait });
        now += wait;
    }
    assert_eq!(deliver(&mut progress, now), [0]);
    progress.settle(now, Verdict::Done);
    assert_eq!(deliver(&mut progress, now), [1]);
}

#[test]
fn bisecting_finds_the_record_that_fails() {
    let bisect = Settings { bisect_on_error: true, max_retries: Some(1), ..settings(8) };
    let mut progress = progress(bisect);
    progress.push(0, records(0..8), true);
    let mut delivered = Vec::new();
    let mut discarded = Vec::new();
    let mut now = 0;
    loop {
        match progress.next(now, false) {
            Step::Deliver(batch) => {
                let numbers: Vec<_> = progress.records(batch.len).map(|r| r.sequence_number.clone()).collect();
                let verdict = if numbers.contains(&"5".to_owned()) { Verdict::Failed } else { Verdict::Done };
                delivered.push(numbers.len());
                discarded.extend(progress.settle(now, verdict).discarded);
            }
            Step::Wait { until_ms } => now = until_ms,
            Step::Finished => break,
            other => panic!("{other:?}"),
        }
    }
    // 0..8 fails, 0..4 passes, 4..8 fails, 4..6 fails, 4 passes, 5 fails and is retried once, 6..8 passes.
    assert_eq!(delivered, [8, 4, 4, 2, 1, 1, 1, 2]);
    assert_eq!(discarded.len(), 1);
    assert_eq!((discarded[0].first.as_str(), discarded[0].last.as_str()), ("5", "5"));
    assert_eq!(discarded[0].reason, DiscardReason::RetriesExhausted);
    assert_eq!(progress.checkpoint(), Some("7"));
}

#[test]
fn retries_count_for_the_record_that_fails() {
    let mut progress = progress(Settings { max_retries: Some(1), ..settings(4) });
    progress.push(0, records(0..4), true);
    let mut now = 0;
    let mut next = |progress: &mut ShardProgress| {
        // The wait after a failure, long enough for every test here.
        now += 1_000;
        (deliver(progress, now), now)
    };
    let (_, at) = next(&mut progress);
    assert!(progress.settle(at, Verdict::FailedFrom(1)).discarded.is_none());
    let (batch, at) = next(&mut progress);
    assert_eq!(batch, [1, 2, 3]);
    // Another record: the first failure of that one.
    assert!(progress.settle(at, Verdict::FailedFrom(1)).discarded.is_none());
    let (batch, at) = next(&mut progress);
    assert_eq!(batch, [2, 3]);
    let discarded = progress.settle(at, Verdict::FailedFrom(0)).discarded.unwrap();
    assert_eq!((discarded.first.as_str(), discarded.last.as_str(), discarded.records), ("2", "3", 2));
    assert_eq!(progress.next(at, false), Step::Finished);
}

#[test]
fn old_records_are_discarded_before_delivery_and_between_retries() {
    let aged = Settings { max_record_age: Some(Duration::from_millis(100)), ..settings(4) };
    let mut progress = progress(aged);
    progress.push(102, records(0..4), true);
    let Step::Discard(discarded) = progress.next(102, false) else { panic!() };
    assert_eq!((discarded.first.as_str(), discarded.last.as_str(), discarded.records), ("0", "1", 2));
    assert_eq!(discarded.reason, DiscardReason::RecordAgeExceeded);
    assert_eq!(progress.checkpoint(), Some("1"));
    assert_eq!(deliver(&mut progress, 102), [2, 3]);
    progress.settle(102, Verdict::Failed);
    let Step::Discard(discarded) = progress.next(103, false) else { panic!() };
    assert_eq!((discarded.first.as_str(), discarded.records), ("2", 1));
    // The batch that is left to retry lost its first record.
    assert_eq!(deliver(&mut progress, 103), [3]);
    progress.settle(103, Verdict::Done);
    assert_eq!(progress.next(103, false), Step::Finished);
}

#[test]
fn a_lost_batch_comes_again_as_it_is_told() {
    let mut progress = progress(settings(3));
    progress.push(0, records(0..3), false);
    assert_eq!(deliver(&mut progress, 0), [0, 1, 2]);
    progress.lose(Recut::Same);
    assert_eq!(progress.checkpoint(), None);
    assert!(matches!(progress.next(0, false), Step::Deliver(Batch { len: 3, redelivered: 3 })));
    progress.lose(Recut::Split(1));
    assert_eq!(deliver(&mut progress, 0), [0]);
    progress.settle(0, Verdict::Done);
    assert_eq!(deliver(&mut progress, 0), [1, 2]);
    progress.lose(Recut::Fresh);
    progress.push(0, records(3..4), false);
    assert!(matches!(progress.next(0, false), Step::Deliver(Batch { len: 3, redelivered: 2 })));
}

/// What happens to a batch, and around it.
#[derive(Clone, Debug)]
enum Fate {
    Done,
    FailedFrom(usize),
    Failed,
    Lost(Recut),
    /// The process dies; the next one starts from the saved checkpoint.
    Crashed {
        saved: bool,
    },
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        3 => Just(Fate::Done),
        2 => (0_usize..12).prop_map(Fate::FailedFrom),
        1 => Just(Fate::Failed),
        1 => prop_oneof![Just(Recut::Same), (0_usize..12).prop_map(Recut::Split), Just(Recut::Fresh)].prop_map(Fate::Lost),
        1 => any::<bool>().prop_map(|saved| Fate::Crashed { saved }),
    ]
}

proptest! {
    /// Whatever fails: every record is delivered; a batch is a run of records without gaps; nothing is delivered
    /// beyond what comes next; the checkpoint only moves on, and never past a record that was not taken.
    #[test]
    fn every_record_is_delivered_at_least_once_in_order(
        total in 1_usize..60,
        batch_size in 1_usize..12,
        window_ms in 0_u64..30,
        bisect_on_error: bool,
        reads in prop::collection::vec(0_usize..8, 1..20),
        fates in prop::collection::vec(fate(), 0..60),
    ) {
        let settings = Settings {
            batch_size,
            batching_window: Duration::from_millis(window_ms),
            bisect_on_error,
            ..Settings::default()
        };
        let resume = |checkpoint| ShardProgress::new(settings.clone(), ARN, "shardId-000000000000", checkpoint);
        // Some reads find nothing, but not all.
        let (mut reads, mut fates) = (reads.into_iter().chain([3]).cycle(), fates.into_iter());
        let mut progress = resume(None);
        let mut saved: Option<String> = None;
        let (mut now, mut read) = (0_i64, 0_usize);
        let (mut delivered, mut taken) = (0_usize, 0_usize);
        let settled = |checkpoint: Option<&str>| checkpoint.map_or(0, |number| number.parse::<usize>().unwrap() + 1);
        // Enough for every fate, then for plain sailing.
        for _ in 0..5_000 {
            match progress.next(now, false) {
                Step::Read { limit, .. } => {
                    let n = reads.next().unwrap().min(limit).min(total - read);
                    progress.push(now, records(read..read + n), read + n == total);
                    read += n;
                    now += 1;
                }
                Step::Wait { until_ms } => {
                    prop_assert!(until_ms > now);
                    now = until_ms;
                }
                Step::Deliver(batch) => {
                    prop_assert!((1..=batch_size).contains(&batch.len));
                    let numbers: Vec<usize> =
                        progress.records(batch.len).map(|r| r.sequence_number.parse().unwrap()).collect();
                    let first = numbers[0];
                    prop_assert_eq!(&numbers, &(first..first + batch.len).collect::<Vec<_>>());
                    prop_assert_eq!(first, settled(progress.checkpoint()));
                    prop_assert!(first <= delivered);
                    delivered = delivered.max(first + batch.len);
                    let verdict = match fates.next() {
                        Some(Fate::Lost(recut)) => {
                            progress.lose(recut);
                            continue;
                        }
                        Some(Fate::Crashed { saved: is_saved }) => {
                            // The handler may have taken the batch before the crash.
                            if is_saved {
                                progress.settle(now, Verdict::Done);
                                taken = taken.max(first + batch.len);
                                saved = progress.checkpoint().map(str::to_owned);
                            }
                            progress = resume(saved.clone());
                            read = settled(saved.as_deref());
                            if read == total {
                                progress.push(now, Vec::new(), true);
                            }
                            continue;
                        }
                        Some(Fate::FailedFrom(index)) if index < batch.len => Verdict::FailedFrom(index),
                        Some(Fate::Failed) => Verdict::Failed,
                        _ => Verdict::Done,
                    };
                    let done = match verdict {
                        Verdict::Done => batch.len,
                        Verdict::FailedFrom(index) => index,
                        Verdict::Failed => 0,
                    };
                    taken = taken.max(first + done);
                    prop_assert_eq!(progress.settle(now, verdict), Settled { done, discarded: None });
                    let checkpoint = settled(progress.checkpoint());
                    prop_assert_eq!(checkpoint, first + done);
                    prop_assert!(checkpoint <= taken);
                    saved = progress.checkpoint().map(str::to_owned);
                }
                Step::Finished => {
                    prop_assert_eq!(delivered, total);
                    prop_assert_eq!(settled(progress.checkpoint()), total);
                    return Ok(());
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert!(false, "it did not end");
    }
}
