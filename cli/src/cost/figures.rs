//! Every figure that costs are reckoned from, with its source: list prices, what was measured, and what is taken for
//! granted. Units are in the names. A change of a price is a change of [`PRICES_OF`], too.

/// The day of the list prices. The price pages could not be opened on that day: the prices are those of stored copies of
/// them and of what others quote of them in 2026. Check them before you sign anything.
pub(super) const PRICES_OF: &str = "2026-11-22";
/// The region of the list prices.
pub(super) const REGION: &str = "us-east-1";
/// A month is a twelfth of a year: 365 days and, of every fourth year, one more.
pub(super) const DAYS_A_MONTH: f64 = 30.4;
pub(super) const HOURS_A_DAY: f64 = 24.0;
pub(super) const SECONDS_A_DAY: f64 = 86_400.0;
/// AWS bills by 1,024 bytes and powers of them.
pub(super) const KB: f64 = 1_024.0;
pub(super) const MB: f64 = KB * KB;
pub(super) const GB: f64 = KB * MB;
pub(super) const MILLION: f64 = 1_000_000.0;

/// List prices, without free tiers. With the most calls that the command takes, none is past the first step of its scale.
pub(super) mod prices {
    /// <https://aws.amazon.com/kinesis/data-streams/pricing/>
    pub(in super::super) const KINESIS_ON_DEMAND_USD_A_STREAM_HOUR: f64 = 0.04;
    pub(in super::super) const KINESIS_ON_DEMAND_USD_A_GB_IN: f64 = 0.08;
    pub(in super::super) const KINESIS_ON_DEMAND_USD_A_GB_OUT: f64 = 0.04;
    pub(in super::super) const KINESIS_USD_A_SHARD_HOUR: f64 = 0.015;
    pub(in super::super) const KINESIS_USD_A_MILLION_PUT_UNITS: f64 = 0.014;
    /// <https://aws.amazon.com/lambda/pricing/>, arm64.
    pub(in super::super) const LAMBDA_USD_A_MILLION_REQUESTS: f64 = 0.20;
    pub(in super::super) const LAMBDA_ARM_USD_A_GB_SECOND: f64 = 0.000_013_333_4;
    /// <https://aws.amazon.com/dynamodb/pricing/on-demand/>
    pub(in super::super) const DYNAMODB_USD_A_MILLION_WRITE_UNITS: f64 = 0.625;
    pub(in super::super) const DYNAMODB_USD_A_MILLION_READ_UNITS: f64 = 0.125;
    pub(in super::super) const DYNAMODB_USD_A_GB_MONTH: f64 = 0.25;
    pub(in super::super) const DYNAMODB_RECOVERY_USD_A_GB_MONTH: f64 = 0.20;
    /// <https://aws.amazon.com/firehose/pricing/>, from a stream or by direct put.
    pub(in super::super) const FIREHOSE_USD_A_GB: f64 = 0.029;
    /// <https://aws.amazon.com/s3/pricing/>, Standard.
    pub(in super::super) const S3_USD_A_GB_MONTH: f64 = 0.023;
    pub(in super::super) const S3_USD_A_MILLION_PUTS: f64 = 5.0;
    pub(in super::super) const S3_USD_A_MILLION_GETS: f64 = 0.4;
    /// <https://aws.amazon.com/cloudwatch/pricing/>
    pub(in super::super) const LOGS_USD_A_GB: f64 = 0.50;
    pub(in super::super) const LOGS_USD_A_GB_MONTH: f64 = 0.03;
    pub(in super::super) const METRICS_USD_A_METRIC_MONTH: f64 = 0.30;
    pub(in super::super) const ALARMS_USD_AN_ALARM_MONTH: f64 = 0.10;
    pub(in super::super) const DASHBOARDS_USD_A_DASHBOARD_MONTH: f64 = 3.0;
    /// <https://aws.amazon.com/sqs/pricing/>, standard queues.
    pub(in super::super) const SQS_USD_A_MILLION_REQUESTS: f64 = 0.40;
    /// <https://aws.amazon.com/kms/pricing/>
    pub(in super::super) const KMS_USD_A_KEY_MONTH: f64 = 1.0;
    pub(in super::super) const KMS_USD_A_MILLION_REQUESTS: f64 = 3.0;
    /// <https://aws.amazon.com/xray/pricing/>
    pub(in super::super) const XRAY_USD_A_MILLION_TRACES: f64 = 5.0;
}

/// Rules of billing and quotas, from the same pages.
pub(super) mod rules {
    use super::KB;

    /// A record counts as whole KB when it comes in.
    pub(in super::super) const KINESIS_IN_BYTES: f64 = KB;
    /// A PUT payload unit.
    pub(in super::super) const KINESIS_PUT_BYTES: f64 = 25.0 * KB;
    /// A record counts as whole 5 KB, also one that comes from a stream.
    pub(in super::super) const FIREHOSE_BYTES: f64 = 5.0 * KB;
    /// What a shard takes (<https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html>).
    pub(in super::super) const SHARD_RECORDS_A_SECOND: f64 = 1_000.0;
    pub(in super::super) const SHARD_BYTES_IN_A_SECOND: f64 = KB * KB;
    /// What a shard gives to all its readers together.
    pub(in super::super) const SHARD_BYTES_OUT_A_SECOND: f64 = 2.0 * KB * KB;
    /// Shards that a stream on demand begins with, and what of the highest rate it keeps ready.
    pub(in super::super) const ON_DEMAND_SHARDS_MIN: f64 = 4.0;
    pub(in super::super) const ON_DEMAND_HEADROOM: f64 = 2.0;
    /// Memory that comes with one processor; less comes with that part of one
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>).
    pub(in super::super) const LAMBDA_MB_A_CORE: f64 = 1_769.0;
}

/// What was measured, by docs/measurements.md.
pub(super) mod measured {
    /// "Sizes and read units".
    pub(in super::super) const RECORD_BYTES: f64 = 266.0;
    pub(in super::super) const ARCHIVE_BYTES_A_CALL: f64 = 65.0;
    pub(in super::super) const TILE_BYTES_A_CALL: f64 = 557.0;
    pub(in super::super) const READ_UNITS_A_LOOKUP: f64 = 7.45;
    pub(in super::super) const DAY_TILE_BYTES_A_CALL: f64 = 58.0;
    pub(in super::super) const SNAPSHOT_BYTES_A_SUBSCRIBER: f64 = 1_780.0;
    /// "Write units a call", by shards and records of a batch; batches of 1 and 10 are of "Sizes and read units".
    pub(in super::super) const BATCHES: [f64; 5] = [1.0, 10.0, 100.0, 1_000.0, 10_000.0];
    pub(in super::super) const WRITE_UNITS: [(f64, [f64; 5]); 3] = [
        (1.0, [5.76, 5.28, 3.46, 2.34, 2.13]),
        (4.0, [4.29, 4.03, 3.11, 2.39, 2.25]),
        (16.0, [3.90, 3.71, 2.98, 2.63, 2.58]),
    ];
    /// The same section: the other designs.
    pub(in super::super) const COUNTER_UNITS_A_CALL: f64 = 17.70;
    pub(in super::super) const TRANSACTION_UNITS_A_CALL: f64 = 7.90;
    /// "The consumer on one core": a batch of 1,000, tiles in memory.
    pub(in super::super) const COUNTING_CPU_US_A_CALL: f64 = 1_000_000.0 / 42_345.0;
    /// "The consumer on one core": the handler without its store. Archiving a record is less work than that.
    pub(in super::super) const ARCHIVING_CPU_US_A_CALL: f64 = 1_000_000.0 / 53_214.0;
    /// "Writes through the SDK", 128 in flight.
    pub(in super::super) const WRITE_CPU_US: f64 = 98.0;
    pub(in super::super) const WRITES_IN_FLIGHT: f64 = 128.0;
    /// `docs/scale.md`, "The batch job": a new day and the roll-up of 90.
    pub(in super::super) const DAY_RUN_CPU_S_A_MILLION_CALLS_A_DAY: f64 = 64.0;
    /// `docs/scale.md`: up to here the batch job is a Lambda.
    pub(in super::super) const LAMBDA_RUN_CALLS_A_DAY_MAX: f64 = 2_500_000.0;
    /// "The feature service": 500 requests a second, tiles in the local DynamoDB.
    pub(in super::super) const LOOKUP_CPU_US: f64 = 455.0;
    /// "The feature service": a key whose row group is not in memory; caller and callee are two.
    pub(in super::super) const GETS_A_LOOKUP: f64 = 2.0;
}

/// What is taken for granted: settings of the template, and what only an account can tell.
pub(super) mod assumed {
    use super::{KB, MB};

    /// Of the template.
    pub(in super::super) const COUNT_CALLS_MB: f64 = 1_024.0;
    pub(in super::super) const ARCHIVE_CALLS_MB: f64 = 256.0;
    pub(in super::super) const SERVE_FEATURES_MB: f64 = 512.0;
    pub(in super::super) const INGEST_CALLS_MB: f64 = 512.0;
    pub(in super::super) const BATCH_RECORDS_MAX: f64 = 1_000.0;
    pub(in super::super) const BATCHING_WINDOW_S: f64 = 5.0;
    pub(in super::super) const FIREHOSE_BUFFER_S: f64 = 300.0;
    pub(in super::super) const FIREHOSE_BUFFER_BYTES: f64 = 64.0 * MB;
    pub(in super::super) const TRANSFORMATION_BUFFER_S: f64 = 60.0;
    pub(in super::super) const TRANSFORMATION_BUFFER_BYTES: f64 = MB / 5.0;
    pub(in super::super) const ALARMS: f64 = 37.0;
    pub(in super::super) const DASHBOARDS: f64 = 1.0;
    pub(in super::super) const LOG_DAYS: f64 = 30.0;
    pub(in super::super) const ARCHIVE_DAYS: f64 = 400.0;
    /// Day tiles that a run needs, and snapshots that `tollwatch snapshots prune` keeps.
    pub(in super::super) const DAY_TILES: f64 = 90.0;
    pub(in super::super) const SNAPSHOTS: f64 = 7.0;
    /// 4 days of life, and up to one more until DynamoDB has deleted what expired.
    pub(in super::super) const TILE_DAYS: f64 = 5.0;
    /// Of the metrics of docs/metrics.md, those that a month sees: every reason and method counts as one.
    pub(in super::super) const METRICS: f64 = 60.0;
    /// A line of metrics and what Lambda writes of an invocation.
    pub(in super::super) const LOG_BYTES_AN_INVOCATION: f64 = 2.0 * KB;
    /// The busiest minutes beside the mean: an hour of the day has a tenth of its calls.
    pub(in super::super) const PEAK_TO_MEAN: f64 = 3.0;
    /// Calls of a subscriber and day, of the generator: what snapshots grow by.
    pub(in super::super) const CALLS_A_SUBSCRIBER_DAY: f64 = 1.1;
    /// How long AWS takes to answer, in its own region. The first is what docs/measurements.md takes for DynamoDB.
    pub(in super::super) const DYNAMODB_MS: f64 = 5.0;
    pub(in super::super) const S3_MS: f64 = 20.0;
    pub(in super::super) const KINESIS_MS: f64 = 10.0;
    /// Records that are set aside.
    pub(in super::super) const QUARANTINED_SHARE: f64 = 0.001;
    /// Requests to S3 of a run of the batch job.
    pub(in super::super) const PUTS_A_RUN: f64 = 1_000.0;
    pub(in super::super) const GETS_A_RUN: f64 = 2_000.0;
    /// Reads of the queue: alarms look at its depth, people at its messages.
    pub(in super::super) const QUEUE_REQUESTS_A_DAY: f64 = 1_000.0;
    /// Ten users of the key that ask anew every five minutes.
    pub(in super::super) const KMS_REQUESTS_A_DAY: f64 = 10.0 * 288.0;
    /// Lambda samples the first request of a second, and of the others this part.
    pub(in super::super) const TRACED_SHARE: f64 = 0.05;
    pub(in super::super) const INGEST_CPU_US: f64 = 300.0;
}
