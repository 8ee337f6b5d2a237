//! The metrics that the functions write, and by which labels beside the stack.

/// A metric and its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Labels beside `stack`.
    pub labels: &'static [&'static str],
}

const fn metric(name: &'static str, labels: &'static [&'static str]) -> Metric {
    Metric { name, labels }
}

/// All of them, of namespace `Tollwatch`.
pub const METRICS: [Metric; 33] = [
    metric("records_received", &[]),
    metric("calls_counted", &[]),
    metric("calls_counted_before", &[]),
    metric("calls_duplicate", &[]),
    metric("calls_unchecked", &[]),
    metric("records_quarantined", &["reason"]),
    metric("unknown_fields", &[]),
    metric("records_undone", &[]),
    metric("tile_writes", &[]),
    metric("tile_refusals", &[]),
    metric("write_units", &[]),
    metric("calls_by_lateness", &["within"]),
    metric("lateness_max_seconds", &[]),
    metric("requests", &["method", "code"]),
    metric("request_seconds", &["method"]),
    metric("answers_degraded", &[]),
    metric("snapshot_age_seconds", &[]),
    metric("cache_hits", &[]),
    metric("cache_misses", &[]),
    metric("runs", &["outcome"]),
    metric("run_seconds", &[]),
    metric("stage_seconds", &["stage"]),
    metric("calls_read", &[]),
    metric("quality_findings", &["severity"]),
    metric("snapshot_calls", &[]),
    metric("days_built", &[]),
    metric("lines_archived", &[]),
    metric("lines_unreadable", &[]),
    metric("records_not_archived", &[]),
    metric("records_ingested", &[]),
    metric("records_refused", &["reason"]),
    metric("records_failed", &[]),
    metric("put_attempts", &[]),
];
