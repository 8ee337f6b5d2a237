//! What became of the records of a request, in numbers.

use std::collections::BTreeMap;

/// Counts of one request. Producers repeat requests, so sums over requests tell of what was sent, not of calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct IngestReport {
    /// The status that was answered.
    pub status: u16,
    /// Why the request was refused as a whole, if it was.
    pub refusal: Option<&'static str>,
    /// Records that Kinesis has.
    pub ingested: u64,
    /// Records that can never count, by reason code.
    pub refused: BTreeMap<&'static str, u64>,
    /// Valid records that Kinesis did not take, or of which it is not known.
    pub failed: u64,
    /// Fields that no version of the record knows, of records that Kinesis has.
    pub unknown_fields: u64,
    /// Requests to Kinesis.
    pub put_attempts: u64,
}
