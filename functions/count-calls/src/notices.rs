//! Word of records in quarantine, for whoever looks after them. A notice names the object and holds no call data.

use std::future::Future;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use serde::{Deserialize, Serialize};

use crate::{QuarantineError, QuarantinedRecord};

/// One record that was set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineNotice {
    /// Stable reason code.
    pub reason: String,
    /// Key of its object.
    pub key: String,
    /// Shard it came from.
    pub shard: String,
    /// Position in the shard, in hex.
    pub position: String,
    /// When it arrived at the stream, in milliseconds since 1970 UTC.
    pub arrived_at_ms: i64,
}

impl QuarantineNotice {
    pub(crate) fn of(key: &str, record: &QuarantinedRecord) -> Self {
        Self {
            reason: record.reason.clone(),
            key: key.to_owned(),
            shard: record.shard.clone(),
            position: record.position.clone(),
            arrived_at_ms: record.arrived_at_ms,
        }
    }
}

/// The port to a queue of notices. A redelivered record may be told of twice: the key tells that it is the same.
pub trait Notices: Send + Sync {
    /// Sends a notice. Where it fails, the record counts as not set aside.
    fn send(&self, notice: &QuarantineNotice) -> impl Future<Output = Result<(), QuarantineError>> + Send;
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNotices;

impl Notices for NoNotices {
    async fn send(&self, _: &QuarantineNotice) -> Result<(), QuarantineError> {
        Ok(())
    }
}

/// Tells somebody where there is somebody to tell.
impl<N: Notices> Notices for Option<N> {
    async fn send(&self, notice: &QuarantineNotice) -> Result<(), QuarantineError> {
        match self {
            Some(notices) => notices.send(notice).await,
            None => Ok(()),
        }
    }
}

/// Notices on an SQS queue, one JSON object a message. A standard queue will do: order means nothing here, and
/// redeliveries repeat notices anyway.
#[derive(Clone, Debug)]
pub struct SqsNotices {
    client: Client,
    queue_url: String,
}

impl SqsNotices {
    /// Notices on the queue with this URL.
    pub fn new(client: Client, queue_url: &str) -> Self {
        Self { client, queue_url: queue_url.to_owned() }
    }
}

impl Notices for SqsNotices {
    async fn send(&self, notice: &QuarantineNotice) -> Result<(), QuarantineError> {
        let body = serde_json::to_string(notice).map_err(|error| QuarantineError(error.to_string()))?;
        let sent = self.client.send_message().queue_url(&self.queue_url).message_body(body).send().await;
        sent.map(drop).map_err(|error| {
            let (queue, why) = (&self.queue_url, DisplayErrorContext(&error));
            QuarantineError(format!("no notice could be sent to {queue}: {why}"))
        })
    }
}
