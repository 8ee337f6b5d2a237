//! Aggregates of the Kinesis Producer Library: taken apart, refused whole, and what no bytes may do.
#![allow(clippy::unwrap_used)]

use cdr::{
    AggregateError, MAX_AGGREGATE_BYTES, MAX_USER_RECORDS, NumberPlan, Reason, aggregate, deaggregate, is_aggregate,
    parse,
};
use md5::{Digest, Md5};
use proptest::prelude::*;

const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];

/// An aggregate written by hand from the description of the format: three user records, of which the second has
/// another partition key, a hash key and a tag, and the third an empty payload.
#[rustfmt::skip]
const BY_HAND: [u8; 60] = [
    // Magic.
    0xF3, 0x89, 0x9A, 0xC2,
    // partition_key_table: "a", "b". explicit_hash_key_table: "7".
    0x0A, 0x01, b'a',
    0x0A, 0x01, b'b',
    0x12, 0x01, b'7',
    // partition_key_index 0, data "one".
    0x1A, 0x07, 0x08, 0x00, 0x1A, 0x03, b'o', b'n', b'e',
    // partition_key_index 1, explicit_hash_key_index 0, data "two", a tag of the key "t".
    0x1A, 0x0E, 0x08, 0x01, 0x10, 0x00, 0x1A, 0x03, b't', b'w', b'o', 0x22, 0x03, 0x0A, 0x01, b't',
    // partition_key_index 0, data "".
    0x1A, 0x04, 0x08, 0x00, 0x1A, 0x00,
    // MD5 of the 40 bytes between.
    0x7A, 0x58, 0xBC, 0x2C, 0x3D, 0xF3, 0xE4, 0x63, 0x52, 0x96, 0x68, 0x05, 0xFB, 0x9B, 0xC6, 0xC9,
];

/// A message with the magic before it and its MD5 after it.
fn sealed(message: &[u8]) -> Vec<u8> {
    [&MAGIC, message, Md5::digest(message).as_slice()].concat()
}

fn refused(message: &[u8]) -> AggregateError {
    deaggregate(&sealed(message)).unwrap_err()
}

#[test]
fn an_aggregate_written_by_hand_is_taken_apart_in_order() {
    assert!(is_aggregate(&BY_HAND));
    assert_eq!(deaggregate(&BY_HAND).unwrap(), [b"one".as_slice(), b"two", b""]);
}

#[test]
fn a_key_that_comes_again_is_written_once() {
    let records = [("a", b"one".as_slice()), ("b", b"two"), ("a", b"")];
    let message = b"\x0A\x01a\x0A\x01b\x1A\x07\x08\x00\x1A\x03one\x1A\x07\x08\x01\x1A\x03two\x1A\x04\x08\x00\x1A\x00";
    assert_eq!(aggregate(records), sealed(message));
}

#[test]
fn an_aggregate_of_nothing_gives_nothing() {
    // The MD5 of no bytes.
    let empty = b"\xF3\x89\x9A\xC2\xD4\x1D\x8C\xD9\x8F\x00\xB2\x04\xE9\x80\x09\x98\xEC\xF8\x42\x7E";
    assert_eq!(aggregate([]), empty);
    assert!(deaggregate(empty).unwrap().is_empty());
    // Keys that no user record uses.
    assert!(deaggregate(&sealed(b"\x0A\x01a\x12\x017")).unwrap().is_empty());
}

#[test]
fn what_protobuf_allows_is_read() {
    let tables_last = sealed(b"\x1A\x05\x08\x01\x1A\x01x\x0A\x01a\x0A\x01b");
    assert_eq!(deaggregate(&tables_last).unwrap(), [b"x"]);
    let data_first_and_twice = sealed(b"\x0A\x01a\x1A\x08\x1A\x01x\x08\x00\x1A\x01y");
    assert_eq!(deaggregate(&data_first_and_twice).unwrap(), [b"y"]);
    // Field 15 of either message, and a key that is no text: neither is used.
    let unknown = sealed(b"\x0A\x01\xFF\x78\x01\x1A\x09\x08\x00\x7A\x02hi\x1A\x01x\x7B\x7C");
    assert_eq!(deaggregate(&unknown).unwrap(), [b"x"]);
}

#[test]
fn each_rule_has_its_refusal() {
    let malformed = |at| AggregateError::Malformed { at };
    for (message, error) in [
        // A length past the end, a varint past the end, a field number of 0, the end of no group.
        (b"\x0A\x05a".as_slice(), malformed(6)),
        (b"\x0A\x80", malformed(6)),
        (b"\x0A\x01a\x00", malformed(7)),
        (b"\x0A\x01a\x1C", malformed(8)),
        // Lengths that no memory holds.
        (b"\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", malformed(15)),
        (b"\x1A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", malformed(14)),
        // A table and a user record of another wire type.
        (b"\x08\x01", malformed(6)),
        (b"\x1D\x01\x02\x03\x04", malformed(9)),
        // In a user record: a length past its end, though not past the message's, and other wire types.
        (b"\x0A\x01a\x1A\x05\x08\x00\x1A\x02x\x12\x017", malformed(13)),
        (b"\x0A\x01a\x1A\x04\x08\x00\x18\x01", malformed(13)),
        (b"\x0A\x01a\x1A\x02\x0A\x00", malformed(11)),
        // A good user record does not save the aggregate: the second has no key, none in the table, no data.
        (b"\x0A\x01a\x1A\x05\x08\x00\x1A\x01x\x1A\x03\x1A\x01x", AggregateError::MissingPartitionKey { at: 16 }),
        (b"\x0A\x01a\x1A\x05\x08\x00\x1A\x01x\x1A\x05\x08\x01\x1A\x01x", AggregateError::KeyOutsideTable { at: 16 }),
        (b"\x0A\x01a\x1A\x05\x08\x00\x1A\x01x\x1A\x02\x08\x00", AggregateError::MissingData { at: 16 }),
        (b"\x0A\x01a\x1A\x00", AggregateError::MissingPartitionKey { at: 9 }),
        (b"\x1A\x05\x08\x00\x1A\x01x", AggregateError::KeyOutsideTable { at: 6 }),
        (b"\x0A\x01a\x1A\x07\x08\x00\x10\x00\x1A\x01x", AggregateError::KeyOutsideTable { at: 9 }),
        (b"\x0A\x01a\x1A\x08\x08\x00\x1A\x04\xF3\x89\x9A\xC2", AggregateError::Nested { at: 9 }),
    ] {
        assert_eq!(refused(message), error, "{message:02X?}");
    }
    for (bytes, error) in [
        (b"".as_slice(), AggregateError::NotAggregate),
        (b"{\"call_id\":\"c-1\"}", AggregateError::NotAggregate),
        (&MAGIC[..3], AggregateError::NotAggregate),
        (&MAGIC, AggregateError::TooShort),
        (&sealed(b"")[..19], AggregateError::TooShort),
        (
            &[0xF3, 0x89, 0x9A, 0xC2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
            AggregateError::ChecksumMismatch,
        ),
    ] {
        assert_eq!(deaggregate(bytes), Err(error), "{bytes:02X?}");
    }
}

#[test]
fn an_aggregate_in_an_aggregate_is_refused() {
    let inner = aggregate([("a", b"one".as_slice())]);
    let outer = aggregate([("a", b"one".as_slice()), ("a", &inner)]);
    assert!(matches!(deaggregate(&outer), Err(AggregateError::Nested { .. })));
}

#[test]
fn the_bounds_are_the_last_that_pass() {
    let most = aggregate(std::iter::repeat_n(("a", b"".as_slice()), MAX_USER_RECORDS));
    assert_eq!(deaggregate(&most).unwrap().len(), MAX_USER_RECORDS);
    let more = aggregate(std::iter::repeat_n(("a", b"".as_slice()), MAX_USER_RECORDS + 1));
    assert_eq!(deaggregate(&more), Err(AggregateError::TooManyRecords));
    assert!(AggregateError::TooManyRecords.to_string().contains(&MAX_USER_RECORDS.to_string()));
    // Judged before the MD5 is taken, so that it costs nothing.
    let mut long = vec![0; MAX_AGGREGATE_BYTES + 1];
    long[..4].copy_from_slice(&MAGIC);
    assert_eq!(deaggregate(&long), Err(AggregateError::TooLarge));
    assert_eq!(deaggregate(&long[..MAX_AGGREGATE_BYTES]), Err(AggregateError::ChecksumMismatch));
}

#[test]
fn a_refusal_is_one_of_the_record_and_holds_no_payload() {
    let outer = sealed(b"\x0A\x0C+12025550101\x1A\x0E\x1A\x0C+12025550101");
    let error = deaggregate(&outer).unwrap_err();
    let refusal = error.to_record_error(outer.len());
    assert_eq!((refusal.reason, refusal.field, refusal.len), (Reason::BadAggregate, "", outer.len()));
    assert_eq!(
        refusal.to_string(),
        "the record (50 bytes) is a KPL aggregate with a user record that has no partition_key_index: wants one in \
         each (reading stopped at byte 20)"
    );
    assert!(!format!("{error} {error:?} {refusal:?}").contains("2025550101"));
}

#[test]
fn one_call_is_not_an_aggregate_of_calls() {
    let plan = NumberPlan::new("US").unwrap();
    let refusal = parse(&plan, &BY_HAND).unwrap_err();
    assert_eq!((refusal.reason, refusal.len), (Reason::BadAggregate, 60));
    // Also one that is longer than a call may be.
    let long = aggregate([("a", vec![b'x'; 2 * 1024 * 1024].as_slice())]);
    assert_eq!(parse(&plan, &long).unwrap_err().reason, Reason::BadAggregate);
}

#[test]
fn every_change_of_a_byte_and_every_cut_is_noticed() {
    for at in 0..BY_HAND.len() {
        for flip in 1..=u8::MAX {
            let mut bytes = BY_HAND;
            bytes[at] ^= flip;
            assert_eq!(is_aggregate(&bytes), at >= 4);
            assert!(deaggregate(&bytes).is_err(), "byte {at} by {flip:02X}");
        }
        assert!(deaggregate(&BY_HAND[..at]).is_err(), "cut to {at}");
    }
}

fn any_records() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let payload = proptest::collection::vec(any::<u8>(), 0..300).prop_filter("nested", |bytes| !is_aggregate(bytes));
    proptest::collection::vec(("[a-d]{0,2}|\\PC{1,8}", payload), 0..40)
}

fn written(records: &[(String, Vec<u8>)]) -> Vec<u8> {
    aggregate(records.iter().map(|(key, data)| (key.as_str(), data.as_slice())))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn user_records_survive(records in any_records()) {
        let bytes = written(&records);
        let payloads: Vec<&[u8]> = records.iter().map(|(_, data)| data.as_slice()).collect();
        prop_assert_eq!(deaggregate(&bytes).unwrap(), payloads);
    }

    #[test]
    fn changed_and_cut_aggregates_are_refused(records in any_records(), at: proptest::sample::Index, flip in 1_u8..) {
        let bytes = written(&records);
        let at = at.index(bytes.len());
        prop_assert!(deaggregate(&bytes[..at]).is_err());
        let mut changed = bytes;
        changed[at] ^= flip;
        prop_assert!(deaggregate(&changed).is_err());
        prop_assert_eq!(is_aggregate(&changed), at >= 4);
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = deaggregate(&bytes);
        let _ = deaggregate(&[&MAGIC, bytes.as_slice()].concat());
        let _ = deaggregate(&sealed(&bytes));
    }

    /// A message that was changed before its MD5 was taken: it may be good or bad, but it is never more than it was.
    #[test]
    fn changed_messages_of_a_right_md5_never_panic(
        records in any_records(), at: proptest::sample::Index, byte: u8, cut: proptest::sample::Index,
    ) {
        let bytes = written(&records);
        let mut message = bytes[4..bytes.len() - 16].to_vec();
        message.truncate(cut.index(message.len() + 1).max(message.len() / 2));
        if !message.is_empty() {
            let at = at.index(message.len());
            message[at] = byte;
        }
        if let Ok(payloads) = deaggregate(&sealed(&message)) {
            prop_assert!(payloads.iter().map(|payload| payload.len()).sum::<usize>() <= message.len());
        }
    }
}
