//! Every bound of the export of traces: work goes on whatever becomes of its spans.

use std::time::Duration;

/// Spans that wait to be sent; more are dropped and counted. Some 300 bytes each.
pub const QUEUE_SPANS_MAX: usize = 2_048;
/// Spans of one request to the collector.
pub const REQUEST_SPANS_MAX: usize = 512;
/// How long the first span of a request waits for others.
pub const GATHER: Duration = Duration::from_secs(1);
/// How long a request to the collector may take.
pub const REQUEST_MAX: Duration = Duration::from_secs(3);
/// How long the collector is left alone after it did not answer; spans are dropped meanwhile.
pub const AWAY: Duration = Duration::from_secs(10);
/// How long a Lambda waits for its spans to be sent, at the end of an invocation. A collector beside it answers within
/// a few milliseconds.
pub const FLUSH_LAMBDA_MAX: Duration = Duration::from_millis(250);
/// How long a command waits for its spans to be sent, at its end.
pub const FLUSH_COMMAND_MAX: Duration = Duration::from_secs(2);
/// Links of one span, as the OpenTelemetry SDKs have it by default.
pub const LINKS_MAX: usize = 128;
