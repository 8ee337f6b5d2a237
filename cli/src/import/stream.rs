//! The calls of an import onto a stream: read no faster than it takes them, and in the order of the files for each
//! caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use aws_sdk_kinesis::Client as Kinesis;
use cdr::CallRecord;
use futures::future::join_all;
use indicatif::{HumanCount, ProgressBar};
use stream_writer::{Outgoing, PUT_BYTES_MAX, PUT_RECORDS_MAX, Patience, Put, PutError, Sending};
use telemetry::Tracer;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::endpoints::Endpoint;
use crate::failure::Failure;
use crate::observed;

/// Requests under way at once: each lane has the callers whose hash is its own, so that a caller's calls stay in order.
const LANES: usize = 4;
/// Requests that wait in a lane before reading waits: enough that a lane is never without work, and some 20 MB at most
/// in calls of usual length.
const WAITING_MAX: usize = 4;

/// A stream that can be written to.
pub(crate) struct Stream {
    pub(crate) name: String,
    kinesis: Kinesis,
    tracer: Option<Tracer>,
}

impl Stream {
    /// Finds it, on a local endpoint or in the AWS account.
    pub(crate) async fn open(name: &str, endpoint_url: Option<&str>) -> Result<Self, Failure> {
        let endpoint = Endpoint { flag: "--endpoint-url", url: endpoint_url };
        let kinesis = endpoint.kinesis().await?;
        endpoint.check_stream(&kinesis, name).await?;
        let tracer = observed::tracer("tollwatch-import")?;
        Ok(Self { name: name.to_owned(), kinesis, tracer })
    }

    /// Puts records under a span of their own.
    pub(crate) async fn put(&self, mut records: Vec<Outgoing>) -> Put {
        let sending = Sending::begin(self.tracer.as_ref(), &self.name, records.len(), None);
        for record in &mut records {
            record.bytes = sending.traced(std::mem::take(&mut record.bytes));
        }
        let put = stream_writer::put_records(&self.kinesis, &self.name, &records, Patience::default()).await;
        sending.end(put.error.is_none());
        put
    }

    /// Sends what is left to tell of.
    pub(crate) async fn finish(&self) {
        observed::finish(self.tracer.as_ref()).await;
    }
}

/// A call as it goes onto a stream.
pub(crate) fn outgoing(call: &CallRecord) -> Outgoing {
    Outgoing { partition_key: call.caller.as_str().to_owned(), bytes: call.to_json().into_bytes() }
}

/// The side of a stream that calls are handed to.
pub(crate) struct Feed {
    lanes: Vec<Lane>,
    ended: Arc<AtomicBool>,
}

struct Lane {
    sender: Sender<Vec<Outgoing>>,
    next: Vec<Outgoing>,
    bytes: usize,
}

/// The other side: what was handed over, for [`Feeding::put_all`].
pub(crate) struct Feeding {
    lanes: Vec<Receiver<Vec<Outgoing>>>,
    ended: Arc<AtomicBool>,
}

/// The stream takes nothing any more: why, [`Feeding::put_all`] says.
#[derive(Debug)]
pub(crate) struct StreamEnded;

/// Both sides.
pub(crate) fn feed() -> (Feed, Feeding) {
    let ended = Arc::new(AtomicBool::new(false));
    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    for _ in 0..LANES {
        let (sender, receiver) = channel(WAITING_MAX);
        senders.push(Lane { sender, next: Vec::new(), bytes: 0 });
        receivers.push(receiver);
    }
    (Feed { lanes: senders, ended: Arc::clone(&ended) }, Feeding { lanes: receivers, ended })
}

impl Feed {
    /// Hands a call over. Waits while the stream is behind, so not for tasks.
    pub(crate) fn push(&mut self, call: &CallRecord) -> Result<(), StreamEnded> {
        let record = outgoing(call);
        let lane = &mut self.lanes[lane_of(&record.partition_key)];
        let more = record.bytes.len() + record.partition_key.len();
        if lane.next.len() == PUT_RECORDS_MAX || lane.bytes + more > PUT_BYTES_MAX {
            lane.send()?;
        }
        lane.next.push(record);
        lane.bytes += more;
        if self.ended.load(Ordering::Relaxed) { Err(StreamEnded) } else { Ok(()) }
    }

    /// Hands over what is left.
    pub(crate) fn finish(mut self) -> Result<(), StreamEnded> {
        self.lanes.iter_mut().try_for_each(Lane::send)
    }
}

impl Lane {
    fn send(&mut self) -> Result<(), StreamEnded> {
        self.bytes = 0;
        match std::mem::take(&mut self.next) {
            records if records.is_empty() => Ok(()),
            records => self.sender.blocking_send(records).map_err(|_| StreamEnded),
        }
    }
}

fn lane_of(caller: &str) -> usize {
    (fnv1a(caller) % LANES as u64) as usize
}

/// FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>): the same from one version to the next.
pub(crate) fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// What the stream has, while it is written to.
pub(crate) struct PutCounts {
    begun: Instant,
    put: AtomicU64,
    again: AtomicU64,
    unsure: AtomicU64,
}

impl PutCounts {
    /// Nothing yet.
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), put: AtomicU64::new(0), again: AtomicU64::new(0), unsure: AtomicU64::new(0) }
    }

    /// Calls that it has.
    pub(crate) fn put(&self) -> u64 {
        self.put.load(Ordering::Relaxed)
    }

    /// Calls that it turned away and were put again, each time counted.
    pub(crate) fn again(&self) -> u64 {
        self.again.load(Ordering::Relaxed)
    }

    /// Calls of requests that failed without a word of what became of them.
    pub(crate) fn unsure(&self) -> u64 {
        self.unsure.load(Ordering::Relaxed)
    }

    /// Seconds since the beginning.
    pub(crate) fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// Calls a second since the beginning.
    pub(crate) fn rate(&self) -> u64 {
        (self.put() as f64 / self.seconds().max(0.001)) as u64
    }

    /// Notes what became of a request.
    pub(crate) fn enter(&self, put: &Put) {
        let placed = put.placed.iter().flatten().count();
        self.put.fetch_add(placed as u64, Ordering::Relaxed);
        self.again.fetch_add(put.again as u64, Ordering::Relaxed);
        if !matches!(put.error, None | Some(PutError::TurnedAway { .. })) {
            self.unsure.fetch_add((put.placed.len() - placed) as u64, Ordering::Relaxed);
        }
    }
}

impl Feeding {
    /// Puts what is handed over until there is no more, or the stream fails: then requests under way are waited for, and
    /// no others made.
    pub(crate) async fn put_all(
        self,
        stream: &Stream,
        counts: &PutCounts,
        bar: &ProgressBar,
    ) -> Result<(), PutError> {
        let Self { lanes, ended } = self;
        let ended = ended.as_ref();
        let lanes = lanes.into_iter().map(|mut lane| async move {
            while let Some(records) = lane.recv().await {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                let put = stream.put(records).await;
                counts.enter(&put);
                bar.set_message(format!(
                    "{} calls on the stream, {} a second",
                    HumanCount(counts.put()),
                    HumanCount(counts.rate())
                ));
                if let Some(error) = put.error {
                    ended.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
            Ok(())
        });
        join_all(lanes).await.into_iter().collect()
    }
}
