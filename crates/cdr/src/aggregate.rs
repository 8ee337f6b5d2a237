//! Aggregates of the Kinesis Producer Library (KPL): many user records in one record of the stream.
//!
//! The format is that of `aggregation-format.md` of the library: four magic bytes, a protobuf message, and the
//! MD5 of the message.
//!
//! ```text
//! message AggregatedRecord {
//!   repeated string partition_key_table     = 1;
//!   repeated string explicit_hash_key_table = 2;
//!   repeated Record records                 = 3;
//! }
//! message Record {
//!   required uint64 partition_key_index     = 1;
//!   optional uint64 explicit_hash_key_index = 2;
//!   required bytes  data                    = 3;
//!   repeated Tag    tags                    = 4;
//! }
//! ```

use std::collections::HashMap;
use std::fmt;

use md5::{Digest, Md5};

use crate::limits::{MAX_AGGREGATE_BYTES, MAX_USER_RECORDS};
use crate::wire::{Malformed, WireReader, WireValue, put_bytes, put_varint};
use crate::{Reason, RecordError};

/// Whether the bytes begin as an aggregate does. No call record begins so: as protobuf it would open a group,
/// which no field of ours is.
pub fn is_aggregate(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// The payloads of the user records of an aggregate, borrowed from it and in its order: the index of a payload is
/// its sub-sequence number.
///
/// It is all or nothing: one broken user record refuses the aggregate, since a sub-sequence number must mean the
/// same record each time. Partition keys, hash keys and tags are not used, so their texts are not looked at; the
/// indices into their tables are checked, because a producer that gets them wrong may have got more wrong.
/// Fields that are not known are skipped; of a field that is given twice the last counts, as protobuf has it.
///
/// An aggregate without user records gives none. Its MD5 says that the producer wrote it so: no call is lost by
/// it, and there is nothing that a quarantine could keep.
pub fn deaggregate(bytes: &[u8]) -> Result<Vec<&[u8]>, AggregateError> {
    let message = checked_message(bytes)?;
    // Tables may follow the records that point into them: they are counted first.
    let counts = Counts::of(message)?;
    let mut payloads = Vec::with_capacity(counts.user_records);
    let mut reader = WireReader::new(message);
    while let Some((number, value)) = reader.next_field().map_err(malformed(MAGIC.len()))? {
        if let (RECORDS, WireValue::Bytes(user_record)) = (number, value) {
            let at = MAGIC.len() + reader.at() - user_record.len();
            payloads.push(payload(user_record, at, &counts)?);
        }
    }
    Ok(payloads)
}

/// Writes an aggregate of user records, each a partition key and a payload. A key that comes again is kept once.
///
/// Unlike the KPL, which sends a lone user record as it is, it writes an aggregate of any number. It judges
/// nothing: an aggregate that [`deaggregate`] refuses, because of its size or of a payload, can be written.
pub fn aggregate<'a>(records: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    let mut user_records = Vec::new();
    let mut user_record = Vec::new();
    let mut indices = HashMap::new();
    for (partition_key, data) in records {
        let next = indices.len() as u64;
        let index = *indices.entry(partition_key).or_insert_with(|| {
            put_bytes(&mut out, PARTITION_KEYS, partition_key.as_bytes());
            next
        });
        user_record.clear();
        put_varint(&mut user_record, PARTITION_KEY_INDEX, index);
        put_bytes(&mut user_record, DATA, data);
        put_bytes(&mut user_records, RECORDS, &user_record);
    }
    out.extend_from_slice(&user_records);
    let md5 = Md5::digest(&out[MAGIC.len()..]);
    out.extend_from_slice(&md5);
    out
}

/// Why an aggregate is refused. The whole of it is to be quarantined: what is left of it cannot be trusted.
///
/// A place is a byte of the aggregate, from its first magic byte on. No message holds a payload or a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AggregateError {
    /// It does not begin with the magic bytes.
    NotAggregate,
    /// It is longer than [`crate::MAX_AGGREGATE_BYTES`].
    TooLarge,
    /// It ends before its 16 bytes of MD5.
    TooShort,
    /// Its message does not have the MD5 that it ends with.
    ChecksumMismatch,
    /// Its message is not the protobuf message that it should be.
    Malformed {
        /// Where reading stopped.
        at: usize,
    },
    /// It has more user records than [`crate::MAX_USER_RECORDS`].
    TooManyRecords,
    /// A user record has no partition key.
    MissingPartitionKey {
        /// Where the user record begins.
        at: usize,
    },
    /// A user record points to a partition key or a hash key that is not in its table.
    KeyOutsideTable {
        /// Where the user record begins.
        at: usize,
    },
    /// A user record has no payload.
    MissingData {
        /// Where the user record begins.
        at: usize,
    },
    /// The payload of a user record is an aggregate. The KPL writes none, and each level would multiply how many
    /// calls one record of the stream may hold.
    Nested {
        /// Where the user record begins.
        at: usize,
    },
}

impl AggregateError {
    /// The refusal of the aggregate as a record of the stream of `len` bytes, with [`Reason::BadAggregate`].
    pub const fn to_record_error(self, len: usize) -> RecordError {
        RecordError { at: self.at(), ..RecordError::of_record(Reason::BadAggregate, len, self.rule()) }
    }

    const fn at(self) -> Option<usize> {
        match self {
            Self::Malformed { at }
            | Self::MissingPartitionKey { at }
            | Self::KeyOutsideTable { at }
            | Self::MissingData { at }
            | Self::Nested { at } => Some(at),
            Self::NotAggregate | Self::TooLarge | Self::TooShort | Self::ChecksumMismatch | Self::TooManyRecords => {
                None
            }
        }
    }

    const fn rule(self) -> &'static str {
        match self {
            Self::NotAggregate => "is no KPL aggregate: wants F3 89 9A C2 as its first bytes",
            Self::TooLarge => "is a KPL aggregate that is too large: wants at most 10 MiB",
            Self::TooShort => "is a KPL aggregate that is cut short: wants an MD5 of 16 bytes at its end",
            Self::ChecksumMismatch => {
                "is a KPL aggregate that was changed or cut short: wants the MD5 of its message at its end"
            }
            Self::Malformed { .. } => {
                "is a KPL aggregate that cannot be read: wants the protobuf message AggregatedRecord"
            }
            Self::TooManyRecords => "is a KPL aggregate of too many user records: wants at most 262144",
            Self::MissingPartitionKey { .. } => {
                "is a KPL aggregate with a user record that has no partition_key_index: wants one in each"
            }
            Self::KeyOutsideTable { .. } => {
                "is a KPL aggregate with a user record whose key is not in the table: wants indices from 0 within it"
            }
            Self::MissingData { .. } => "is a KPL aggregate with a user record that has no data: wants data in each",
            Self::Nested { .. } => "is a KPL aggregate with an aggregate in it: wants one call in each user record",
        }
    }
}

impl fmt::Display for AggregateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_record_error(0).fmt(f)
    }
}

/// The protobuf message of an aggregate, once its MD5 holds.
fn checked_message(bytes: &[u8]) -> Result<&[u8], AggregateError> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or(AggregateError::NotAggregate)?;
    if bytes.len() > MAX_AGGREGATE_BYTES {
        return Err(AggregateError::TooLarge);
    }
    let (message, md5) = rest.split_last_chunk::<MD5_BYTES>().ok_or(AggregateError::TooShort)?;
    if Md5::digest(message)[..] != md5[..] {
        return Err(AggregateError::ChecksumMismatch);
    }
    Ok(message)
}

/// How much a message holds, by count and not by what it says of itself.
#[derive(Default)]
struct Counts {
    partition_keys: u64,
    hash_keys: u64,
    user_records: usize,
}

impl Counts {
    fn of(message: &[u8]) -> Result<Self, AggregateError> {
        let mut counts = Self::default();
        let mut reader = WireReader::new(message);
        while let Some((number, value)) = reader.next_field().map_err(malformed(MAGIC.len()))? {
            match (number, value) {
                (PARTITION_KEYS, WireValue::Bytes(_)) => counts.partition_keys += 1,
                (HASH_KEYS, WireValue::Bytes(_)) => counts.hash_keys += 1,
                (RECORDS, WireValue::Bytes(_)) => counts.user_records += 1,
                (PARTITION_KEYS | HASH_KEYS | RECORDS, _) => {
                    return Err(AggregateError::Malformed { at: MAGIC.len() + reader.at() });
                }
                _ => {}
            }
            if counts.user_records > MAX_USER_RECORDS {
                return Err(AggregateError::TooManyRecords);
            }
        }
        Ok(counts)
    }
}

/// The payload of the user record that begins at byte `at` of the aggregate.
fn payload<'a>(user_record: &'a [u8], at: usize, counts: &Counts) -> Result<&'a [u8], AggregateError> {
    let (mut partition_key, mut hash_key, mut data) = (None, None, None);
    let mut reader = WireReader::new(user_record);
    while let Some((number, value)) = reader.next_field().map_err(malformed(at))? {
        match (number, value) {
            (PARTITION_KEY_INDEX, WireValue::Varint(index)) => partition_key = Some(index),
            (HASH_KEY_INDEX, WireValue::Varint(index)) => hash_key = Some(index),
            (DATA, WireValue::Bytes(bytes)) => data = Some(bytes),
            (PARTITION_KEY_INDEX | HASH_KEY_INDEX | DATA, _) => {
                return Err(AggregateError::Malformed { at: at + reader.at() });
            }
            _ => {}
        }
    }
    let partition_key = partition_key.ok_or(AggregateError::MissingPartitionKey { at })?;
    if partition_key >= counts.partition_keys || hash_key.is_some_and(|index| index >= counts.hash_keys) {
        return Err(AggregateError::KeyOutsideTable { at });
    }
    let data = data.ok_or(AggregateError::MissingData { at })?;
    if is_aggregate(data) {
        return Err(AggregateError::Nested { at });
    }
    Ok(data)
}

/// What is no protobuf, in bytes that begin at byte `start` of the aggregate.
fn malformed(start: usize) -> impl Fn(Malformed) -> AggregateError {
    move |Malformed { at }| AggregateError::Malformed { at: start + at }
}

const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];
const MD5_BYTES: usize = 16;

/// Fields of `AggregatedRecord`.
const PARTITION_KEYS: u32 = 1;
const HASH_KEYS: u32 = 2;
const RECORDS: u32 = 3;

/// Fields of `Record`.
const PARTITION_KEY_INDEX: u32 = 1;
const HASH_KEY_INDEX: u32 = 2;
const DATA: u32 = 3;
