//! Where records go that can never count: an object each, keyed by reason, shard and position, so that a
//! redelivery overwrites it with the same bytes, and a notice of it.

use std::future::Future;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cdr::RecordError;
use objects::Objects;
use serde::{Deserialize, Serialize};
use tiles::ShardKey;
use tiles::sabotage::{Sabotage, is_on};

use crate::intake::Received;
use crate::notices::{NoNotices, Notices, QuarantineNotice};

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

/// Quarantine in a folder or bucket. A notice is sent once the object is stored; where either fails, the record is
/// not set aside, so that its batch fails and it comes again.
#[derive(Clone, Debug)]
pub struct ObjectQuarantine<N = NoNotices> {
    objects: Objects,
    notices: N,
}

impl ObjectQuarantine {
    /// Quarantine that nobody is told of.
    pub const fn new(objects: Objects) -> Self {
        Self { objects, notices: NoNotices }
    }
}

impl<N> ObjectQuarantine<N> {
    /// The same with notices.
    #[must_use]
    pub fn with_notices<M>(self, notices: M) -> ObjectQuarantine<M> {
        ObjectQuarantine { objects: self.objects, notices }
    }
}

impl<N: Notices> Quarantine for ObjectQuarantine<N> {
    async fn put(&self, key: &str, record: &QuarantinedRecord) -> Result<(), QuarantineError> {
        let body = serde_json::to_vec(record).map_err(|error| QuarantineError(error.to_string()))?;
        self.objects.put(key, body).await.map_err(|error| QuarantineError(error.to_string()))?;
        self.notices.send(&QuarantineNotice::of(key, record)).await
    }
}

/// The key and the content for a record that was refused.
pub(crate) fn set_aside(shard: &ShardKey, record: &Received, error: &RecordError) -> (String, QuarantinedRecord) {
    let reason = error.reason.as_str();
    let position =
        if is_on(Sabotage::QuarantineWithoutPosition) { String::new() } else { record.position.to_string() };
    let key = format!("quarantine/{reason}/{}/{position}.json", shard.as_str());
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
