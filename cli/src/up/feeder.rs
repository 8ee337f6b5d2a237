//! Puts live calls on the stream when their arrival has come.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_sdk_kinesis::Client as Kinesis;
use cdr_generator::{Arrival, ConfigError, Delivered};
use stream_writer::Sending;
use telemetry::Tracer;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::clock;
use crate::defaults::STREAM;
use crate::pipeline::{Outgoing, put_records};
use crate::up::live::Traffic;

/// Records made ahead of their time.
const AHEAD: usize = 4_096;
/// Records put together: a quota of `PutRecords`.
const PUT_STEP: usize = 500;
/// The shortest wait: what arrives within it is put together.
const TICK: Duration = Duration::from_millis(50);

/// What was put on streams since the start.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) calls: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) broken: AtomicU64,
}

impl Sent {
    /// Records of all kinds.
    pub(crate) fn records(&self) -> u64 {
        [&self.calls, &self.duplicates, &self.broken].iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    fn enter(&self, delivered: &Delivered) {
        let count = match delivered {
            Delivered::Call(_) => &self.calls,
            Delivered::Duplicate(_) => &self.duplicates,
            Delivered::Invalid(_) => &self.broken,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Why feeding paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was asked to stop.
    Stopped,
    /// The stream holds as much as it should.
    Full,
}

/// The producer.
pub(crate) struct Feeder {
    arrivals: mpsc::Receiver<Arrival>,
    producer: Option<JoinHandle<Result<(), ConfigError>>>,
    /// Made, and not due yet.
    next: Option<Arrival>,
    tracer: Option<Tracer>,
    pub(crate) sent: Arc<Sent>,
}

impl Feeder {
    /// Begins to make calls that arrive from now on.
    pub(crate) fn start(traffic: Traffic, tracer: Option<Tracer>) -> Self {
        let (sender, arrivals) = mpsc::channel(AHEAD);
        let now_ms = clock::now_ms();
        let producer = tokio::task::spawn_blocking(move || traffic.produce(now_ms, &sender));
        Self { arrivals, producer: Some(producer), next: None, tracer, sent: Arc::default() }
    }

    /// Puts calls on the stream as they arrive, until told to stop or `bytes_max` bytes were put.
    pub(crate) async fn feed(
        &mut self,
        kinesis: &Kinesis,
        bytes_max: usize,
        stop: &mut watch::Receiver<bool>,
    ) -> anyhow::Result<Ended> {
        let mut bytes = 0;
        loop {
            if *stop.borrow() {
                return Ok(Ended::Stopped);
            }
            if bytes >= bytes_max {
                return Ok(Ended::Full);
            }
            if self.next.is_none() {
                self.next = tokio::select! {
                    arrival = self.arrivals.recv() => Some(self.or_broken(arrival).await?),
                    _ = stop.changed() => continue,
                };
            }
            let due = self.take_due(clock::now_ms());
            if due.is_empty() {
                let wait_ms = self.next.as_ref().map_or(0, |next| next.arrival_ms - clock::now_ms());
                let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0)).max(TICK);
                tokio::select! {
                    () = sleep(wait) => {}
                    _ = stop.changed() => {}
                }
                continue;
            }
            let sending = Sending::begin(self.tracer.as_ref(), STREAM, due.len(), None);
            let (kinds, records): (Vec<Delivered>, Vec<Outgoing>) = due
                .into_iter()
                .map(|arrival| {
                    let partition_key = arrival.partition_key.to_string();
                    // What is broken is left as it is.
                    let bytes = match arrival.delivered {
                        Delivered::Call(_) | Delivered::Duplicate(_) => sending.traced(arrival.bytes),
                        Delivered::Invalid(_) => arrival.bytes,
                    };
                    (arrival.delivered, Outgoing { partition_key, bytes })
                })
                .unzip();
            let put = put_records(kinesis, STREAM, &records).await;
            sending.end(put.is_ok());
            put?;
            bytes += records.iter().map(|record| record.bytes.len()).sum::<usize>();
            kinds.iter().for_each(|kind| self.sent.enter(kind));
        }
    }

    /// What has arrived by now, a request's worth at most.
    fn take_due(&mut self, now_ms: i64) -> Vec<Arrival> {
        let mut due = Vec::new();
        while due.len() < PUT_STEP
            && let Some(next) = self.next.take().or_else(|| self.arrivals.try_recv().ok())
        {
            if next.arrival_ms > now_ms {
                self.next = Some(next);
                break;
            }
            due.push(next);
        }
        due
    }

    /// The producer goes on for ever: where it ended, it says why.
    async fn or_broken(&mut self, arrival: Option<Arrival>) -> anyhow::Result<Arrival> {
        if let Some(arrival) = arrival {
            return Ok(arrival);
        }
        if let Some(producer) = self.producer.take() {
            producer.await.context("the generator broke")??;
        }
        bail!("the generator ended by itself")
    }
}
