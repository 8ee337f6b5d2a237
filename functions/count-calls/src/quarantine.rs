//! Where records go that can never count: an object each, keyed by reason, shard and position, so that a
//! redelivery overwrites it with the same bytes.

use std::future::Future;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cdr::RecordError;
use objects::Objects;
use serde::{Deserialize, Serialize};
use tiles::ShardKey;

use crate::intake::Received;

/// A record that was set aside, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantinedRecord {
    /// Stable reason code.
    pub reason: String,
    /// What is wrong, without the value.
    pub message: String,
    /// Shard it came from.
    pub shard: String,
    /// Position in the shard, in hex.
    pub position: String,
    /// When it arrived at the stream, in milliseconds since 1970 UTC.
    pub arrived_at_ms: i64,
    /// The original bytes, in base64.
    pub bytes: String,
}

/// A record could not be set aside; its batch fails from there.
#[derive(Debug, thiserror::Error)]
#[error("a record could not be put into quarantine: {0}")]
pub struct QuarantineError(pub String);

/// The port to the place where such records are kept.
pub trait Quarantine: Send + Sync {
    /// Sets a record aside. Doing it twice leaves one object.
    fn put(&self, key: &str, record: &QuarantinedRecord) -> impl Future<Output = Result<(), QuarantineError>> + Send;
}

/// Quarantine in a folder or bucket.
#[derive(Clone, Debug)]
pub struct ObjectQuarantine(pub Objects);

impl Quarantine for ObjectQuarantine {
    async fn put(&self, key: &str, record: &QuarantinedRecord) -> Result<(), QuarantineError> {
        let body = serde_json::to_vec(record).map_err(|error| QuarantineError(error.to_string()))?;
        self.0.put(key, body).await.map_err(|error| QuarantineError(error.to_string()))?;
        Ok(())
    }
}

/// The key and the content for a record that was refused.
pub(crate) fn set_aside(shard: &ShardKey, record: &Received, error: &RecordError) -> (String, QuarantinedRecord) {
    let reason = error.reason.as_str();
    let key = format!("quarantine/{reason}/{}/{}.json", shard.as_str(), record.position);
    let quarantined = QuarantinedRecord {
        reason: reason.to_owned(),
        message: error.to_string(),
        shard: shard.as_str().to_owned(),
        position: record.position.to_string(),
        arrived_at_ms: record.arrived_at_ms,
        bytes: STANDARD.encode(&record.bytes),
    };
    (key, quarantined)
}
