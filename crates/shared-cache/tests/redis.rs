//! Against a real Redis server, where one is installed.
#![allow(clippy::unwrap_used, missing_docs)]

use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use redis::Commands as _;
use shared_cache::{LEFT_ALONE, RedisRanges};
use snapshot::RangeCache as _;
use tempfile::TempDir;

const FILE: &str = "s3://bucket/snapshots/as_of=2026-11-20/run=a/caller/phone/online/part-000.parquet";
const RANGE: Range<u64> = 4..9;

/// A server on a socket of its own.
struct Server {
    process: Child,
    folder: TempDir,
}

impl Server {
    /// `None` where Redis is not installed.
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let process = Self::run(folder.path())?;
        Some(Self { process, folder })
    }

    fn run(folder: &Path) -> Option<Child> {
        let mut command = Command::new("redis-server");
        let socket = folder.join("redis.sock");
        command.args(["--port", "0", "--save", "", "--daemonize", "no", "--unixsocket"]).arg(&socket);
        let process = command.current_dir(folder).stdout(Stdio::null()).spawn();
        let process = match process {
            Ok(process) => process,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                eprintln!("redis-server is not installed: nothing was tested");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        for _ in 0..500 {
            if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
                return Some(process);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("redis-server did not begin to listen");
    }

    fn url(&self) -> String {
        format!("redis+unix://{}", self.folder.path().join("redis.sock").display())
    }

    fn admin(&self) -> redis::Connection {
        redis::Client::open(self.url()).unwrap().get_connection().unwrap()
    }

    fn cache(&self) -> RedisRanges {
        RedisRanges::new(&self.url()).unwrap()
    }

    fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn start_again(&mut self) {
        let _ = std::fs::remove_file(self.folder.path().join("redis.sock"));
        self.process = Self::run(self.folder.path()).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Writing takes its own time.
async fn until_there(cache: &RedisRanges) -> Bytes {
    for _ in 0..200 {
        if let Some(bytes) = cache.get(FILE, RANGE).await {
            return bytes;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it was never there");
}

#[tokio::test]
async fn what_one_puts_another_gets_and_nothing_else() {
    let Some(server) = Server::start() else { return };
    let (one, other) = (server.cache(), server.cache());
    assert_eq!(other.get(FILE, RANGE).await, None);
    one.put(FILE, RANGE, Bytes::from_static(b"bytes"));
    assert_eq!(until_there(&other).await, "bytes");
    assert_eq!(other.get(FILE, 4..8).await, None);
    assert_eq!(other.get("s3://bucket/other", RANGE).await, None);
    // It does not stay for ever.
    let mut redis = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let keys: Vec<String> = redis.keys("*").unwrap();
    assert_eq!(keys, [format!("tollwatch:1:{FILE}:4-9")]);
    let left_s: i64 = redis.ttl(&keys[0]).unwrap();
    assert!((86_400..=2 * 86_400).contains(&left_s), "{left_s}");
}

#[tokio::test]
async fn a_server_that_is_gone_costs_little_and_is_found_again() {
    let Some(mut server) = Server::start() else { return };
    let cache = server.cache();
    cache.put(FILE, RANGE, Bytes::from_static(b"bytes"));
    until_there(&cache).await;
    server.stop();
    assert_eq!(cache.get(FILE, RANGE).await, None);
    // From now on it is not even asked: a thousand reads take no longer than one.
    let asked = std::time::Instant::now();
    for _ in 0..1_000 {
        assert_eq!(cache.get(FILE, RANGE).await, None);
    }
    assert!(asked.elapsed() < LEFT_ALONE / 2, "{:?}", asked.elapsed());
    server.start_again();
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        cache.put(FILE, RANGE, Bytes::from_static(b"again"));
        if let Some(bytes) = cache.get(FILE, RANGE).await {
            assert_eq!(bytes, "again");
            return;
        }
    }
    panic!("it was not found again");
}

/// What this thread logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn begin() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// How often it has been said.
    fn count(&self, what: &str) -> usize {
        self.text().matches(what).count()
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Checks the cache until something has been said.
    async fn until(&self, cache: &RedisRanges, what: &str, times: usize) {
        for _ in 0..200 {
            cache.check().await;
            if self.count(what) == times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{what} was not said {times} times: {}", self.text());
    }
}

const ANSWERS: &str = "the shared cache answers cache=";
const SILENT: &str = "the shared cache does not answer";
const TAKES_NOTHING: &str = "the shared cache answers and takes nothing";

#[tokio::test]
async fn the_log_says_once_that_it_is_gone_and_once_that_it_is_back() {
    let Some(mut server) = Server::start() else { return };
    let (log, _guard) = Log::begin();
    let cache = server.cache();
    log.until(&cache, ANSWERS, 1).await;
    server.stop();
    log.until(&cache, SILENT, 1).await;
    for _ in 0..20 {
        cache.check().await;
        assert_eq!(cache.get(FILE, RANGE).await, None);
    }
    assert_eq!((log.count(ANSWERS), log.count(SILENT)), (1, 1), "{}", log.text());
    server.start_again();
    log.until(&cache, ANSWERS, 2).await;
    assert_eq!(log.count(SILENT), 1, "{}", log.text());
}

#[tokio::test]
async fn a_wrong_password_is_said_without_it_and_can_be_put_right() {
    let Some(server) = Server::start() else { return };
    let (log, _guard) = Log::begin();
    let mut admin = server.admin();
    let set = |admin: &mut redis::Connection, password: &str| {
        let _: () = redis::cmd("CONFIG").arg(&["SET", "requirepass", password]).query(admin).unwrap();
    };
    set(&mut admin, "another");
    let without = server.cache();
    log.until(&without, SILENT, 1).await;
    assert_eq!(log.count("NOAUTH"), 1, "{}", log.text());
    let cache = RedisRanges::new(&format!("{}?pass=hunter2", server.url())).unwrap();
    log.until(&cache, SILENT, 2).await;
    assert_eq!(log.count("authentication failed"), 1, "{}", log.text());
    // From here by reads alone, as on Lambda.
    let read_until = async |what: &str, times: usize| {
        for _ in 0..200 {
            let _ = cache.get(FILE, RANGE).await;
            if log.count(what) == times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{what} was not said {times} times: {}", log.text());
    };
    for _ in 0..50 {
        assert_eq!(cache.get(FILE, RANGE).await, None);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    set(&mut admin, "hunter2");
    read_until(ANSWERS, 1).await;
    assert_eq!((log.count(ANSWERS), log.count("hunter2")), (1, 0), "{}", log.text());
}

#[tokio::test]
async fn a_full_server_is_read_from_and_said_to_take_nothing() {
    let Some(server) = Server::start() else { return };
    let (log, _guard) = Log::begin();
    let cache = server.cache();
    cache.put(FILE, RANGE, Bytes::from_static(b"bytes"));
    until_there(&cache).await;
    let mut admin = server.admin();
    let limit = |admin: &mut redis::Connection, bytes: &str| {
        let _: () = redis::cmd("CONFIG").arg(&["SET", "maxmemory", bytes]).query(admin).unwrap();
    };
    limit(&mut admin, "1");
    for _ in 0..200 {
        cache.put(FILE, 0..4, Bytes::from_static(b"more"));
        tokio::time::sleep(Duration::from_millis(10)).await;
        if log.count(TAKES_NOTHING) > 0 {
            break;
        }
    }
    assert_eq!(log.count("OOM"), 1, "{}", log.text());
    assert_eq!(until_there(&cache).await, "bytes");
    limit(&mut admin, "0");
    for _ in 0..200 {
        cache.put(FILE, 0..4, Bytes::from_static(b"more"));
        tokio::time::sleep(Duration::from_millis(50)).await;
        if log.count("takes what was read again") == 1 {
            return;
        }
    }
    panic!("{}", log.text());
}

mod with_a_snapshot {
    use features::{FeatureSet, Level, Party, State};
    use objects::Objects;
    use snapshot::{
        CacheSizes, Face, Manifest, OnlineRow, OnlineWriter, Publication, SnapshotCache, SnapshotReader,
        WindowStates, online_key,
    };

    use super::*;

    async fn publish(folder: &Path, set: &FeatureSet) -> String {
        let objects = Objects::in_folder(folder);
        let (as_of, run) = ("2026-11-20".parse().unwrap(), "a".parse().unwrap());
        let publication = Publication::begin(objects.clone(), "other".parse().unwrap()).await.unwrap();
        let local = tempfile::tempdir().unwrap();
        let mut writer = OnlineWriter::create(local.path(), 1, &[]).unwrap();
        let state = || State::empty(set.slots(Party::Caller));
        let windows = set.batch_windows(Party::Caller, Level::Phone);
        let windows = windows
            .iter()
            .map(|window| WindowStates { days: window.days(), states: [state(), state(), state()] })
            .collect();
        let mut row = Vec::new();
        OnlineRow { windows }.encode(&mut row);
        writer.push("+12025550101", &row).unwrap();
        let part = writer.finish().unwrap().remove(0);
        let key = online_key(as_of, &run, Party::Caller, Level::Phone, 0);
        objects.upload_from(&part.path, &key).await.unwrap();
        let files = vec![part.listed(Party::Caller, Level::Phone, Face::Online, key.clone())];
        let manifest = Manifest { files, ..Manifest::new(set, as_of, run, "test") };
        publication.publish(&manifest).await.unwrap();
        key
    }

    #[tokio::test]
    async fn what_one_service_has_read_another_need_not_and_damage_there_does_no_harm() {
        let Some(mut server) = Server::start() else { return };
        let (folder, set) = (tempfile::tempdir().unwrap(), Arc::new(FeatureSet::default_set().unwrap()));
        let key = publish(folder.path(), &set).await;
        let url = server.url();
        // A reader that remembers nothing of others.
        let reader = async || {
            let cache =
                SnapshotCache::new(CacheSizes::default()).with_shared(Arc::new(RedisRanges::new(&url).unwrap()));
            let reader = SnapshotReader::open(Objects::in_folder(folder.path()), Arc::clone(&set), Arc::new(cache));
            reader.await.unwrap().unwrap()
        };
        let get = async || reader().await.get(Party::Caller, Level::Phone, "+12025550101").await;
        assert!(get().await.unwrap().is_some());
        let mut redis = redis::Client::open(url.as_str()).unwrap().get_connection().unwrap();
        let mut keys: Vec<String> = Vec::new();
        for _ in 0..200 {
            keys = redis.keys("*").unwrap();
            if keys.len() == 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(keys.len(), 2, "a footer and a row group: {keys:?}");
        assert!(keys.iter().all(|key| !key.contains("2025550101")), "{keys:?}");

        // Without the file there is only Redis to read it from.
        let (path, aside) = (folder.path().join(&key), folder.path().join("aside"));
        std::fs::rename(&path, &aside).unwrap();
        assert!(get().await.unwrap().is_some());
        std::fs::rename(&aside, &path).unwrap();
        for key in &keys {
            let mut bytes: Vec<u8> = redis.get(key).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            let _: () = redis.set(key, bytes).unwrap();
        }
        assert!(get().await.unwrap().is_some());
        for key in &keys {
            let _: () = redis.set(key, "short").unwrap();
        }
        assert!(get().await.unwrap().is_some());
        server.stop();
        assert!(get().await.unwrap().is_some());
    }
}
