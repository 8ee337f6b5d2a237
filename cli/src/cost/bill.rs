//! The lines of a month's bill, from the figures.

use crate::cost::Volume;
use crate::cost::figures::{
    DAYS_A_MONTH, GB, HOURS_A_DAY, KB, MILLION, SECONDS_A_DAY, assumed, measured, prices, rules,
};

/// A way of counting calls. Everything but the tiles is the same for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Design {
    /// This one: batches into tiles, by compare-and-set.
    Tollwatch,
    /// An ADD a call for each entity and window. A redelivery counts twice.
    CounterPerWindow,
    /// A transaction a call with a record that the call was counted.
    Transactions,
}

/// Quantity times price.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Line {
    pub(super) service: &'static str,
    pub(super) what: &'static str,
    /// Of a month.
    pub(super) quantity: f64,
    pub(super) unit: &'static str,
    pub(super) usd_a_unit: f64,
    pub(super) usd: f64,
}

fn line(service: &'static str, what: &'static str, quantity: f64, unit: &'static str, usd_a_unit: f64) -> Line {
    Line { service, what, quantity, unit, usd_a_unit, usd: quantity * usd_a_unit }
}

/// What count-calls does with a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counting {
    /// Records of a batch.
    pub(super) batch: f64,
    pub(super) write_units_a_call: f64,
    requests_a_call: f64,
    own_cpu_us: f64,
}

impl Counting {
    /// How a volume is counted.
    pub(super) fn of(volume: &Volume, design: Design) -> Self {
        let rate = volume.calls_a_day / SECONDS_A_DAY / volume.shards_at_work();
        let batch = (rate * assumed::BATCHING_WINDOW_S).clamp(1.0, assumed::BATCH_RECORDS_MAX);
        let (write_units_a_call, requests_a_call, own_cpu_us) = match design {
            Design::Tollwatch => {
                let units = write_units(volume.shards_at_work(), batch);
                // Nearly every write is of one unit.
                (units, units, measured::COUNTING_CPU_US_A_CALL)
            }
            Design::CounterPerWindow => (measured::COUNTER_UNITS_A_CALL, measured::COUNTER_UNITS_A_CALL, 0.0),
            Design::Transactions => (measured::TRANSACTION_UNITS_A_CALL, 1.0, 0.0),
        };
        Self { batch, write_units_a_call, requests_a_call, own_cpu_us }
    }

    /// How long a batch takes, in seconds: the processor's work, or waiting for the writes in flight.
    pub(super) fn batch_s(&self) -> f64 {
        let us = self.own_cpu_us + self.requests_a_call * measured::WRITE_CPU_US;
        let working_s = self.batch * us / MILLION * slowness(assumed::COUNT_CALLS_MB);
        let rounds = (self.batch * self.requests_a_call / measured::WRITES_IN_FLIGHT).ceil() + 1.0;
        working_s.max(rounds * assumed::DYNAMODB_MS / 1_000.0)
    }
}

/// How much longer work takes with that memory than on a whole processor.
fn slowness(memory_mb: f64) -> f64 {
    (rules::LAMBDA_MB_A_CORE / memory_mb).max(1.0)
}

/// Write units a call: between what was measured, on a scale of powers.
fn write_units(shards: f64, batch: f64) -> f64 {
    let of = |units: &[f64; 5]| between(&measured::BATCHES, units, batch);
    let shards_measured = measured::WRITE_UNITS.map(|(shards, _)| shards);
    let units = measured::WRITE_UNITS.each_ref().map(|(_, units)| of(units));
    between(&shards_measured, &units, shards)
}

/// The value at `x` between the points; beyond the first and the last it is theirs.
fn between(xs: &[f64], ys: &[f64], x: f64) -> f64 {
    let Some(after) = xs.iter().position(|known| *known >= x) else { return ys.last().copied().unwrap_or_default() };
    if after == 0 {
        return ys[0];
    }
    let part = (x / xs[after - 1]).ln() / (xs[after] / xs[after - 1]).ln();
    ys[after - 1] + part * (ys[after] - ys[after - 1])
}

/// The bill of a month.
pub(super) fn bill(volume: &Volume, design: Design) -> Vec<Line> {
    let counting = Counting::of(volume, design);
    let mut lines = kinesis(volume);
    lines.extend(lambda(volume, &counting));
    lines.extend(dynamodb(volume, &counting));
    lines.extend(firehose_and_s3(volume));
    lines.extend(cloudwatch(volume, &counting));
    let set_aside = calls(volume) * assumed::QUARANTINED_SHARE;
    let requests = (set_aside + DAYS_A_MONTH * assumed::QUEUE_REQUESTS_A_DAY) / MILLION;
    lines.push(line("SQS", "quarantine notices", requests, "million requests", prices::SQS_USD_A_MILLION_REQUESTS));
    lines.push(line("KMS", "the key of the alarms", 1.0, "keys", prices::KMS_USD_A_KEY_MONTH));
    lines
}

/// What can be switched on: a customer key, traces, and producers that send each call through ingest-calls.
pub(super) fn options(volume: &Volume) -> Vec<Line> {
    let key_requests = DAYS_A_MONTH * assumed::KMS_REQUESTS_A_DAY / MILLION;
    let (invocations, lookups) = (count_invocations(volume, Design::Tollwatch), lookups(volume));
    let traced = |requests: f64| {
        let first = requests.min(DAYS_A_MONTH * SECONDS_A_DAY);
        first + (requests - first) * assumed::TRACED_SHARE
    };
    let ingest_s =
        assumed::INGEST_CPU_US / MILLION * slowness(assumed::INGEST_CALLS_MB) + assumed::KINESIS_MS / 1_000.0;
    let gb_seconds = calls(volume) * ingest_s * assumed::INGEST_CALLS_MB / KB;
    vec![
        line(
            "KMS",
            "requests, with data under it",
            key_requests,
            "million requests",
            prices::KMS_USD_A_MILLION_REQUESTS,
        ),
        line(
            "X-Ray",
            "traces",
            (traced(invocations) + traced(lookups)) / MILLION,
            "million traces",
            prices::XRAY_USD_A_MILLION_TRACES,
        ),
        line(
            "Lambda",
            "ingest-calls, a call a request",
            calls(volume) / MILLION,
            "million requests",
            prices::LAMBDA_USD_A_MILLION_REQUESTS,
        ),
        line("Lambda", "ingest-calls, time", gb_seconds, "GB-seconds", prices::LAMBDA_ARM_USD_A_GB_SECOND),
    ]
}

fn calls(volume: &Volume) -> f64 {
    volume.calls_a_day * DAYS_A_MONTH
}

fn lookups(volume: &Volume) -> f64 {
    volume.lookups_a_day * DAYS_A_MONTH
}

/// A size as it is billed.
fn whole(bytes: f64, step: f64) -> f64 {
    (bytes / step).ceil() * step
}

fn kinesis(volume: &Volume) -> Vec<Line> {
    let hours = DAYS_A_MONTH * HOURS_A_DAY;
    match volume.shards {
        Some(shards) => {
            let units = calls(volume) * (measured::RECORD_BYTES / rules::KINESIS_PUT_BYTES).ceil() / MILLION;
            vec![
                line("Kinesis", "shards", f64::from(shards) * hours, "shard-hours", prices::KINESIS_USD_A_SHARD_HOUR),
                line("Kinesis", "in", units, "million PUT units", prices::KINESIS_USD_A_MILLION_PUT_UNITS),
            ]
        }
        None => {
            let gb_in = calls(volume) * whole(measured::RECORD_BYTES, rules::KINESIS_IN_BYTES) / GB;
            // count-calls and Firehose.
            let gb_out = 2.0 * calls(volume) * measured::RECORD_BYTES / GB;
            vec![
                line("Kinesis", "stream", hours, "stream-hours", prices::KINESIS_ON_DEMAND_USD_A_STREAM_HOUR),
                line("Kinesis", "in", gb_in, "GB", prices::KINESIS_ON_DEMAND_USD_A_GB_IN),
                line("Kinesis", "out, two readers", gb_out, "GB", prices::KINESIS_ON_DEMAND_USD_A_GB_OUT),
            ]
        }
    }
}

/// Of a month.
fn count_invocations(volume: &Volume, design: Design) -> f64 {
    calls(volume) / Counting::of(volume, design).batch
}

fn archive_invocations(volume: &Volume) -> f64 {
    let by_size = calls(volume) * measured::RECORD_BYTES / assumed::TRANSFORMATION_BUFFER_BYTES;
    by_size.max(DAYS_A_MONTH * SECONDS_A_DAY / assumed::TRANSFORMATION_BUFFER_S)
}

fn lambda(volume: &Volume, counting: &Counting) -> Vec<Line> {
    let request = |what, requests: f64| {
        line("Lambda", what, requests / MILLION, "million requests", prices::LAMBDA_USD_A_MILLION_REQUESTS)
    };
    let time = |what, seconds: f64, memory_mb: f64| {
        let gb_seconds = seconds * memory_mb / KB;
        line("Lambda", what, gb_seconds, "GB-seconds", prices::LAMBDA_ARM_USD_A_GB_SECOND)
    };
    let invocations = calls(volume) / counting.batch;
    let archiving_s =
        calls(volume) * measured::ARCHIVING_CPU_US_A_CALL / MILLION * slowness(assumed::ARCHIVE_CALLS_MB);
    let lookup_s = measured::LOOKUP_CPU_US / MILLION * slowness(assumed::SERVE_FEATURES_MB)
        + (assumed::DYNAMODB_MS + assumed::S3_MS) / 1_000.0;
    // The work of the job is spread over the processors that its memory brings: GB-seconds are those of one.
    let run_s = volume.calls_a_day / MILLION * measured::DAY_RUN_CPU_S_A_MILLION_CALLS_A_DAY;
    vec![
        request("count-calls", invocations),
        time("count-calls, time", invocations * counting.batch_s(), assumed::COUNT_CALLS_MB),
        request("archive-calls", archive_invocations(volume)),
        time("archive-calls, time", archiving_s, assumed::ARCHIVE_CALLS_MB),
        request("serve-features", lookups(volume)),
        time("serve-features, time", lookups(volume) * lookup_s, assumed::SERVE_FEATURES_MB),
        time("recompute-features, time", DAYS_A_MONTH * run_s, rules::LAMBDA_MB_A_CORE),
    ]
}

fn dynamodb(volume: &Volume, counting: &Counting) -> Vec<Line> {
    let writes = calls(volume) * counting.write_units_a_call / MILLION;
    let reads = lookups(volume) * measured::READ_UNITS_A_LOOKUP / MILLION;
    let gb = volume.calls_a_day * measured::TILE_BYTES_A_CALL * assumed::TILE_DAYS / GB;
    vec![
        line("DynamoDB", "writes", writes, "million units", prices::DYNAMODB_USD_A_MILLION_WRITE_UNITS),
        line("DynamoDB", "reads", reads, "million units", prices::DYNAMODB_USD_A_MILLION_READ_UNITS),
        line("DynamoDB", "storage", gb, "GB", prices::DYNAMODB_USD_A_GB_MONTH),
        line("DynamoDB", "recovery", gb, "GB", prices::DYNAMODB_RECOVERY_USD_A_GB_MONTH),
    ]
}

fn firehose_and_s3(volume: &Volume) -> Vec<Line> {
    let gb = calls(volume) * whole(measured::RECORD_BYTES, rules::FIREHOSE_BYTES) / GB;
    let raw_gb = volume.calls_a_day * measured::ARCHIVE_BYTES_A_CALL * assumed::ARCHIVE_DAYS / GB;
    let tiles = volume.calls_a_day * measured::DAY_TILE_BYTES_A_CALL * assumed::DAY_TILES;
    let subscribers = volume.calls_a_day / assumed::CALLS_A_SUBSCRIBER_DAY;
    let snapshots = subscribers * measured::SNAPSHOT_BYTES_A_SUBSCRIBER * assumed::SNAPSHOTS;
    let by_size = calls(volume) * measured::RECORD_BYTES / assumed::FIREHOSE_BUFFER_BYTES;
    let objects = by_size.max(DAYS_A_MONTH * SECONDS_A_DAY / assumed::FIREHOSE_BUFFER_S);
    let set_aside = calls(volume) * assumed::QUARANTINED_SHARE;
    let puts = (objects + set_aside + DAYS_A_MONTH * assumed::PUTS_A_RUN) / MILLION;
    let gets = (lookups(volume) * measured::GETS_A_LOOKUP + DAYS_A_MONTH * assumed::GETS_A_RUN) / MILLION;
    vec![
        line("Firehose", "to the archive", gb, "GB", prices::FIREHOSE_USD_A_GB),
        line("S3", "archive", raw_gb, "GB", prices::S3_USD_A_GB_MONTH),
        line("S3", "day tiles and snapshots", (tiles + snapshots) / GB, "GB", prices::S3_USD_A_GB_MONTH),
        line("S3", "writes", puts, "million requests", prices::S3_USD_A_MILLION_PUTS),
        line("S3", "reads", gets, "million requests", prices::S3_USD_A_MILLION_GETS),
    ]
}

fn cloudwatch(volume: &Volume, counting: &Counting) -> Vec<Line> {
    let invocations = calls(volume) / counting.batch + archive_invocations(volume) + lookups(volume);
    let gb = invocations * assumed::LOG_BYTES_AN_INVOCATION / GB;
    let gb_kept = gb / DAYS_A_MONTH * assumed::LOG_DAYS;
    vec![
        line("CloudWatch", "logs", gb, "GB", prices::LOGS_USD_A_GB),
        line("CloudWatch", "logs kept", gb_kept, "GB", prices::LOGS_USD_A_GB_MONTH),
        line("CloudWatch", "metrics", assumed::METRICS, "metrics", prices::METRICS_USD_A_METRIC_MONTH),
        line("CloudWatch", "alarms", assumed::ALARMS, "alarms", prices::ALARMS_USD_AN_ALARM_MONTH),
        line("CloudWatch", "dashboard", assumed::DASHBOARDS, "dashboards", prices::DASHBOARDS_USD_A_DASHBOARD_MONTH),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[Line], service: &str, what: &str) -> f64 {
        let found = lines.iter().find(|line| line.service == service && line.what == what);
        found.map_or_else(|| panic!("no line {service} {what}"), |line| line.usd)
    }

    /// Reckoned by hand from the price pages.
    #[test]
    fn a_million_calls_a_day_cost_what_a_pencil_says() {
        let volume = Volume { calls_a_day: MILLION, lookups_a_day: MILLION, shards: None };
        let lines = bill(&volume, Design::Tollwatch);
        // 30.4 days of 24 hours at 4 cents.
        assert_eq!(format!("{:.2}", of(&lines, "Kinesis", "stream")), "29.18");
        // 30.4 million KB are 28.99 GB, at 8 cents.
        assert_eq!(format!("{:.2}", of(&lines, "Kinesis", "in")), "2.32");
        // Five times as many, at 2.9 cents.
        assert_eq!(format!("{:.2}", of(&lines, "Firehose", "to the archive")), "4.20");
        assert_eq!(format!("{:.2}", of(&lines, "CloudWatch", "metrics")), "18.00");
        let counter = bill(&volume, Design::CounterPerWindow);
        // 30.4 million calls of 17.7 units at 62.5 cents a million.
        assert_eq!(format!("{:.2}", of(&counter, "DynamoDB", "writes")), "336.30");
        let transactions = bill(&volume, Design::Transactions);
        assert_eq!(format!("{:.2}", of(&transactions, "DynamoDB", "writes")), "150.10");
        for other in [&counter, &transactions] {
            assert_eq!(lines.len(), other.len());
            let all_else =
                |lines: &[Line]| lines.iter().filter(|line| line.service == "S3").cloned().collect::<Vec<_>>();
            assert_eq!(all_else(other), all_else(&lines));
        }
        let provisioned = bill(&Volume { shards: Some(2), ..volume }, Design::Tollwatch);
        // Two shards of 729.6 hours at 1.5 cents; 30.4 million PUT units at 1.4 cents a million.
        assert_eq!(format!("{:.2}", of(&provisioned, "Kinesis", "shards")), "21.89");
        assert_eq!(format!("{:.2}", of(&provisioned, "Kinesis", "in")), "0.43");
    }

    #[test]
    fn write_units_are_those_measured_and_between_them() {
        assert!((write_units(1.0, 1_000.0) - 2.34).abs() < 1e-9);
        assert!((write_units(4.0, 100.0) - 3.11).abs() < 1e-9);
        let between = write_units(8.0, 300.0);
        assert!(between < 3.11 && between > 2.39, "{between}");
        assert!((write_units(500.0, 100_000.0) - 2.58).abs() < 1e-9);
    }

    #[test]
    fn nothing_costs_less_for_more_calls() {
        let at = |calls| {
            let volume = Volume { calls_a_day: calls, lookups_a_day: calls, shards: None };
            bill(&volume, Design::Tollwatch).iter().map(|line| line.usd).sum::<f64>()
        };
        let totals = [1.0, 1e3, 1e5, 1e6, 1e7, 1e8, 1e9].map(at);
        assert!(totals.windows(2).all(|pair| pair[0] < pair[1]), "{totals:?}");
    }
}
