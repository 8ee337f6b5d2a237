//! The settings of a mapping, named after those of Lambda, and their limits.

use std::time::Duration;

use crate::Redeliver;

/// Records of a batch.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html>
pub const MAX_BATCH_SIZE: usize = 10_000;

/// Bytes of the event of a batch as JSON: the payload of a synchronous invocation.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub const MAX_BATCH_BYTES: usize = 6 * 1024 * 1024;

/// The longest time to wait for a batch to fill.
pub const MAX_BATCHING_WINDOW: Duration = Duration::from_mins(5);

/// Where to begin in a stream that has no checkpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartPosition {
    /// With the oldest records that the stream still has.
    #[default]
    TrimHorizon,
    /// With the records that come after the start.
    Latest,
}

/// The wait before the n-th retry: `first`, then twice as long each time, never longer than `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryBackoff {
    /// Before the first retry.
    pub first: Duration,
    /// The longest.
    pub max: Duration,
}

impl RetryBackoff {
    /// The wait after the `failures`-th failure in a row, counted from 1.
    pub fn after(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.max)
    }
}

/// How records are delivered. The defaults are those of Lambda where it has one.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to begin without a checkpoint.
    pub start: StartPosition,
    /// Records of a batch at most, 1 to [`MAX_BATCH_SIZE`]. A batch is also cut at [`MAX_BATCH_BYTES`].
    pub batch_size: usize,
    /// How long to wait for a batch to fill, 0 (deliver what is there) to [`MAX_BATCHING_WINDOW`].
    pub batching_window: Duration,
    /// Whether to halve a batch that failed as a whole, to find the record that fails.
    pub bisect_on_error: bool,
    /// Retries of a batch before it is discarded; `None` for no limit. Halving is not a retry.
    pub max_retries: Option<u32>,
    /// Records older than this are discarded; `None` for no limit.
    pub max_record_age: Option<Duration>,
    /// Waits between retries.
    pub retry_backoff: RetryBackoff,
    /// When a handler is given up: it is dropped where it stands, as a function that times out.
    pub function_timeout: Duration,
    /// The wait after a read that found nothing. Kinesis allows 5 reads a second of a shard; Lambda makes one.
    pub poll_interval: Duration,
    /// How often to look for new shards. The end of a shard is also noticed by reading it.
    pub shard_sync_interval: Duration,
    /// A fault to inject: deliver batches again although the handler took them.
    pub redeliver: Option<Redeliver>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            start: StartPosition::default(),
            batch_size: 100,
            batching_window: Duration::ZERO,
            bisect_on_error: false,
            max_retries: None,
            max_record_age: None,
            retry_backoff: RetryBackoff { first: Duration::from_millis(100), max: Duration::from_secs(30) },
            function_timeout: Duration::from_mins(15),
            poll_interval: Duration::from_secs(1),
            shard_sync_interval: Duration::from_secs(10),
            redeliver: None,
        }
    }
}

impl Settings {
    /// Checks the limits.
    pub fn check(&self) -> Result<(), SettingsError> {
        if !(1..=MAX_BATCH_SIZE).contains(&self.batch_size) {
            return Err(SettingsError::BatchSize { batch_size: self.batch_size });
        }
        if self.batching_window > MAX_BATCHING_WINDOW {
            return Err(SettingsError::BatchingWindow { window: self.batching_window });
        }
        for (name, duration) in [
            ("poll_interval", self.poll_interval),
            ("shard_sync_interval", self.shard_sync_interval),
            ("function_timeout", self.function_timeout),
            ("retry_backoff.first", self.retry_backoff.first),
        ] {
            if duration.is_zero() {
                return Err(SettingsError::Zero { name });
            }
        }
        match &self.redeliver {
            Some(redeliver) if redeliver.every_nth_batch < 2 => {
                Err(SettingsError::Redeliver { every_nth_batch: redeliver.every_nth_batch })
            }
            _ => Ok(()),
        }
    }
}

/// A setting outside its limits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The batch size.
    #[error("batch_size is {batch_size}: it must be 1 to {MAX_BATCH_SIZE}")]
    BatchSize {
        /// What was given.
        batch_size: usize,
    },
    /// The batching window.
    #[error("batching_window is {window:?}: it must be at most {MAX_BATCHING_WINDOW:?}")]
    BatchingWindow {
        /// What was given.
        window: Duration,
    },
    /// A time that must pass.
    #[error("{name} is 0: it must be longer")]
    Zero {
        /// The setting.
        name: &'static str,
    },
    /// Redelivering every batch would never get past the first.
    #[error("redeliver.every_nth_batch is {every_nth_batch}: it must be at least 2")]
    Redeliver {
        /// What was given.
        every_nth_batch: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_outside_their_limits_are_refused() {
        let default = Settings::default;
        assert_eq!(default().check(), Ok(()));
        for batch_size in [0, MAX_BATCH_SIZE + 1] {
            let error = Settings { batch_size, ..default() }.check();
            assert_eq!(error, Err(SettingsError::BatchSize { batch_size }));
        }
        let window = MAX_BATCHING_WINDOW + Duration::from_millis(1);
        let error = Settings { batching_window: window, ..default() }.check();
        assert_eq!(error, Err(SettingsError::BatchingWindow { window }));
        let error = Settings { poll_interval: Duration::ZERO, ..default() }.check();
        assert_eq!(error, Err(SettingsError::Zero { name: "poll_interval" }));
        let redeliver = Some(Redeliver { seed: 0, every_nth_batch: 1 });
        let error = Settings { redeliver, ..default() }.check();
        assert_eq!(error, Err(SettingsError::Redeliver { every_nth_batch: 1 }));
    }
}
