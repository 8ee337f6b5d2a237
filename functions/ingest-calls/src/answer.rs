//! What a producer is told.

use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::limits::RETRY_AFTER_SECS;
use crate::refusal::Refusal;

/// What became of each record of a request, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Records that Kinesis has.
    pub accepted: usize,
    /// Records that can never count as they are.
    pub refused: usize,
    /// Valid records that Kinesis did not take: to be sent again.
    pub failed: usize,
    /// One a record.
    pub results: Vec<RecordResult>,
}

/// What became of a record. It never holds a value of the record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecordResult {
    /// The record's place among those of the request, from 0.
    pub index: usize,
    /// What became of it.
    pub status: Status,
    /// The reason code, where it was not accepted: of `cdr`, or `not_taken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The field that is wrong; absent where it is the record as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
    /// What is wrong and what is wanted, to follow the field's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'static str>,
    /// Byte of the record at which reading stopped, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<usize>,
    /// How many of its fields are not known, where there are any: they are not on the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_fields: Option<usize>,
    /// Id of the shard that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// Its sequence number there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<String>,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Kinesis has it.
    Accepted,
    /// It can never count as it is: sending it again changes nothing.
    Refused,
    /// Kinesis did not take it, or it is not known whether: it is to be sent again, which is safe.
    #[default]
    Failed,
}

impl Answer {
    /// Of results in their order.
    pub(crate) fn of(results: Vec<RecordResult>) -> Self {
        let count = |status| results.iter().filter(|result| result.status == status).count();
        let (accepted, refused, failed) = (count(Status::Accepted), count(Status::Refused), count(Status::Failed));
        Self { accepted, refused, failed, results }
    }

    /// 202 where all were accepted, 207 where some were, 503 where Kinesis took none, 400 where none is valid.
    pub fn status(&self) -> StatusCode {
        match (self.accepted, self.failed) {
            (accepted, _) if accepted == self.results.len() => StatusCode::ACCEPTED,
            (1.., _) => StatusCode::MULTI_STATUS,
            (0, 1..) => StatusCode::SERVICE_UNAVAILABLE,
            (0, 0) => StatusCode::BAD_REQUEST,
        }
    }

    pub(crate) fn to_response(&self) -> Response<String> {
        // Numbers, codes and ids: always JSON.
        let mut response = json(self.status(), serde_json::to_string(self).unwrap_or_default());
        if self.failed > 0 {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECS));
        }
        response
    }
}

impl Refusal {
    pub(crate) fn to_response(self) -> Response<String> {
        let mut response = json(self.status(), self.to_json());
        if self == Self::NotPost {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}

fn json(status: StatusCode, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
