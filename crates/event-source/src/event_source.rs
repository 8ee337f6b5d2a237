//! A mapping as a whole: starts a task for each shard, in order of descent, and ends them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

use crate::shard_task::{Outcome, ShardTask};
use crate::{
    Checkpoint, CheckpointError, Checkpoints, Discarded, Handler, Lineage, MemoryCheckpoints, Progress, Settings,
    SettingsError, Shard, Source, SourceError, StartAt,
};

/// Is told of records that were given up, with the shard they were in. Called before the checkpoint moves past them.
pub type OnDiscard = Arc<dyn Fn(&str, &Discarded) + Send + Sync>;

/// Why a mapping ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The checkpoints cannot be kept. Going on would only deliver everything again later.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A shard that takes records has a checkpoint that says it has ended.
    #[error(
        "the checkpoint of {shard_id} says that it has ended, but it is open: the checkpoints are of an older stream \
         of this name; remove them to begin anew"
    )]
    OtherStream {
        /// The shard.
        shard_id: String,
    },
    /// A task of the mapping itself panicked.
    #[error("the mapping broke: {detail}")]
    Broken {
        /// What the runtime said.
        detail: String,
    },
}

/// A mapping between a stream and a handler, not started yet.
pub struct EventSource<S> {
    source: S,
    settings: Settings,
    checkpoints: Arc<dyn Checkpoints>,
    on_discard: Option<OnDiscard>,
}

impl<S: Source> EventSource<S> {
    /// A mapping with its checkpoints in memory.
    pub fn new(source: S, settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self { source, settings, checkpoints: Arc::new(MemoryCheckpoints::default()), on_discard: None })
    }

    /// Keeps checkpoints there, and goes on from those that are there.
    #[must_use]
    pub fn with_checkpoints(mut self, checkpoints: Arc<dyn Checkpoints>) -> Self {
        self.checkpoints = checkpoints;
        self
    }

    /// Tells of records that are given up. Without it they are only logged.
    #[must_use]
    pub fn with_on_discard(mut self, on_discard: OnDiscard) -> Self {
        self.on_discard = Some(on_discard);
        self
    }

    /// Starts reading, in tasks of the current Tokio runtime. `now_ms` is the time in milliseconds since 1970 UTC;
    /// the mapping counts on from it, to know the age of records.
    pub fn start<H: Handler>(self, now_ms: i64, handler: H) -> RunningSource {
        let (mode, watched) = watch::channel(Mode::Run);
        let control = Control { mode: Arc::new(mode) };
        let progress = Arc::new(Progress::default());
        let shared = Arc::new(Shared {
            source: self.source,
            settings: self.settings,
            checkpoints: self.checkpoints,
            on_discard: self.on_discard,
            handler,
            progress: progress.clone(),
            clock: Clock { started: Instant::now(), started_ms: now_ms },
        });
        let task = tokio::spawn(run(shared, control.clone(), watched));
        RunningSource { control, progress, task: Some(task) }
    }
}

/// A mapping that runs. Dropping it stops it, as [`Control::stop`] does.
#[derive(Debug)]
pub struct RunningSource {
    control: Control,
    progress: Arc<Progress>,
    task: Option<JoinHandle<Result<(), Error>>>,
}

impl RunningSource {
    /// Counters to watch.
    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// Ends it from elsewhere, such as a signal handler.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Handles everything that is in the stream now, then ends. A batch that keeps failing is retried as the
    /// settings say; [`Control::stop`] ends that.
    pub async fn drain(self) -> Result<(), Error> {
        self.control.drain();
        self.wait().await
    }

    /// Finishes the batches that handlers have, then ends.
    pub async fn stop(self) -> Result<(), Error> {
        self.control.stop();
        self.wait().await
    }

    /// Waits until it was ended through its [`Control`], or broke.
    pub async fn wait(mut self) -> Result<(), Error> {
        match self.task.take() {
            Some(task) => task.await.unwrap_or_else(|error| Err(Error::Broken { detail: error.to_string() })),
            None => Ok(()),
        }
    }
}

impl Drop for RunningSource {
    fn drop(&mut self) {
        if self.task.is_some() {
            self.control.stop();
        }
    }
}

/// Ends a mapping. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Control {
    mode: Arc<watch::Sender<Mode>>,
}

impl Control {
    /// Asks it to handle everything that is in the stream now, then end.
    pub fn drain(&self) {
        self.raise(Mode::Drain);
    }

    /// Asks it to finish the batches that handlers have, then end.
    pub fn stop(&self) {
        self.raise(Mode::Stop);
    }

    fn raise(&self, to: Mode) {
        self.mode.send_if_modified(|mode| {
            let is_higher = to > *mode;
            *mode = to.max(*mode);
            is_higher
        });
    }
}

/// How long a mapping goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    Run,
    Drain,
    Stop,
}

/// What all tasks of a mapping share.
pub(crate) struct Shared<S, H> {
    pub(crate) source: S,
    pub(crate) settings: Settings,
    pub(crate) checkpoints: Arc<dyn Checkpoints>,
    pub(crate) on_discard: Option<OnDiscard>,
    pub(crate) handler: H,
    pub(crate) progress: Arc<Progress>,
    pub(crate) clock: Clock,
}

/// Milliseconds since 1970 UTC, counted by the runtime's timer from a given start.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    started_ms: i64,
}

impl Clock {
    pub(crate) fn now_ms(&self) -> i64 {
        self.started_ms.saturating_add(self.started.elapsed().as_millis() as i64)
    }

    /// How long until a time; nothing when it has passed.
    pub(crate) fn until(&self, ms: i64) -> Duration {
        Duration::from_millis(u64::try_from(ms.saturating_sub(self.now_ms())).unwrap_or(0))
    }
}

/// Waits, but not longer than until the mode changes.
pub(crate) async fn pause(duration: Duration, mode: &mut watch::Receiver<Mode>) {
    tokio::select! {
        () = sleep(duration) => {}
        // It fails only when all senders are gone, and the mapping itself holds one.
        _ = mode.changed() => {}
    }
}

async fn run<S: Source, H: Handler>(
    shared: Arc<Shared<S, H>>,
    control: Control,
    mut mode: watch::Receiver<Mode>,
) -> Result<(), Error> {
    let mut lineage = Lineage::new(shared.settings.start);
    let mut tasks: JoinSet<(String, Result<Outcome, Error>)> = JoinSet::new();
    let mut result = Ok(());
    let mut failed_listings = 0;
    loop {
        let current = *mode.borrow_and_update();
        let mut next_listing = shared.settings.shard_sync_interval;
        let mut is_listed = false;
        if current != Mode::Stop {
            match startable(&shared, &mut lineage).await {
                Ok(starting) => {
                    (is_listed, failed_listings) = (true, 0);
                    for (shard_id, from) in starting {
                        let task = ShardTask::new(shared.clone(), shard_id.clone(), mode.clone());
                        tasks.spawn(async move { (shard_id, task.run(from).await) });
                    }
                }
                Err(Error::Source(SourceError::Retryable(detail))) => {
                    tracing::warn!(detail, "the shards could not be listed");
                    Progress::add(&shared.progress.read_errors, 1);
                    failed_listings += 1;
                    next_listing = shared.settings.retry_backoff.after(failed_listings);
                }
                Err(error) => {
                    result = Err(error);
                    control.stop();
                    continue;
                }
            }
        }
        let is_over = current == Mode::Stop || current == Mode::Drain && is_listed;
        if tasks.is_empty() && is_over {
            return result;
        }
        tokio::select! {
            Some(joined) = tasks.join_next(), if !tasks.is_empty() => {
                let outcome = match joined {
                    Ok((shard_id, Ok(outcome))) => {
                        match outcome {
                            Outcome::Ended => lineage.ended(&shard_id),
                            Outcome::AtTip => lineage.at_tip(&shard_id),
                            Outcome::Stopped => {}
                        }
                        Ok(())
                    }
                    Ok((_, Err(error))) => Err(error),
                    Err(error) => Err(Error::Broken { detail: error.to_string() }),
                };
                if outcome.is_err() {
                    // The others finish what they have; the first error is the one to report.
                    result = result.and(outcome);
                    control.stop();
                }
            }
            () = pause(next_listing, &mut mode) => {}
        }
    }
}

/// Lists the shards and says which to start now.
async fn startable<S: Source, H: Handler>(
    shared: &Shared<S, H>,
    lineage: &mut Lineage,
) -> Result<Vec<(String, StartAt)>, Error> {
    let listing: Vec<Shard> = shared.source.shards().await?;
    let mut checkpoints: BTreeMap<String, Checkpoint> = BTreeMap::new();
    for shard in listing.iter().filter(|shard| lineage.is_new(&shard.id)) {
        for id in std::iter::once(&shard.id).chain(&shard.parents) {
            if let Some(checkpoint) = shared.checkpoints.load(id).await? {
                checkpoints.insert(id.clone(), checkpoint);
            }
        }
        if !shard.is_closed && checkpoints.get(&shard.id) == Some(&Checkpoint::Ended) {
            return Err(Error::OtherStream { shard_id: shard.id.clone() });
        }
    }
    Ok(lineage.observe(&listing, &checkpoints))
}
