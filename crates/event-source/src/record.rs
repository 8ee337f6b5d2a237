//! What a stream holds.

/// A record of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The sequence number, a decimal number of up to 186 bits.
    pub sequence_number: String,
    /// The partition key.
    pub partition_key: String,
    /// The data as the producer put it.
    pub data: Vec<u8>,
    /// When the stream took it, in milliseconds since 1970 UTC.
    pub arrived_at_ms: i64,
}

/// A shard of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The shard id, such as `shardId-000000000000`.
    pub id: String,
    /// The shards it came from: none, one after a split, two after a merge. They may be gone from the stream.
    pub parents: Vec<String>,
    /// Whether it takes no more records.
    pub is_closed: bool,
}
