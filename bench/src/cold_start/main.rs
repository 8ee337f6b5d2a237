//! How long a function takes from the start of its process to its first poll and its first answer, and how much memory
//! it has taken by then.
//!
//!     cargo build --profile dist --workspace --bins
//!     for f in count-calls archive-calls ingest-calls recompute-features serve-features; do
//!       target/dist/cold-start target/dist/$f
//!     done
//!
//! A Lambda Runtime API, a Kinesis, a DynamoDB and an S3 stand on loopback; the binary is built as the one that is deployed.
//! Lambda's own share, fetching the code and starting a sandbox, is not in it. What each is asked is in `function.rs`.

mod function;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use bench::{Killed, machine, median, peak_mb};
use local_aws::{DynamoStorage, Endpoints, LocalAws, LocalAwsConfig};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::function::Function;

const RUNS: usize = 15;

/// What one process did.
#[derive(Default)]
struct Seen {
    polls: u32,
    first_poll: Option<Instant>,
    first_answer: Option<Instant>,
    ready_mb: f64,
    answer: String,
}

struct Api {
    event: String,
    seen: Mutex<Seen>,
    process: OnceLock<u32>,
    answered: Notify,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let binary: PathBuf =
        std::env::args_os().nth(1).context("which binary? wants one, such as target/dist/count-calls")?.into();
    let function = Function::new(binary)?;
    let (mut polls, mut answers, mut ready, mut peaks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for run in 0..RUNS {
        let config = LocalAwsConfig::default().with_dynamodb(DynamoStorage::Memory).with_s3(function.s3.path());
        let local = LocalAws::start(config.with_kinesis()).await?;
        function.prepare(&local).await?;
        let start = once(&function, &local.endpoints(), run).await?;
        polls.push(start.poll_ms);
        answers.push(start.answer_ms);
        ready.push(start.ready_mb);
        peaks.push(start.peak_mb);
        local.shutdown().await;
    }
    let megabytes = std::fs::metadata(&function.binary)?.len() as f64 / 1e6;
    println!("machine: {}; {}, {megabytes:.1} MB; medians of {RUNS} starts", machine(), function.binary.display());
    println!("start to first poll    {:>8.1} ms", median(polls));
    println!("start to first answer  {:>8.1} ms   ({})", median(answers), function.asked);
    println!("memory at first poll   {:>8.1} MB   (its peak until then)", median(ready));
    println!("memory at first answer {:>8.1} MB", median(peaks));
    Ok(())
}

/// One start of the process.
struct Start {
    poll_ms: f64,
    answer_ms: f64,
    ready_mb: f64,
    peak_mb: f64,
}

async fn once(function: &Function, endpoints: &Endpoints, run: usize) -> anyhow::Result<Start> {
    let api = Arc::new(Api {
        event: function.event.clone(),
        seen: Mutex::default(),
        process: OnceLock::new(),
        answered: Notify::new(),
    });
    let routes = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(answer))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(answer))
        .with_state(Arc::clone(&api));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move { axum::serve(listener, routes).await });
    let quarantine = tempfile::tempdir()?;
    let started = Instant::now();
    let child = Command::new(&function.binary)
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", &function.name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "bench")
        .envs(Function::variables(endpoints, quarantine.path(), run)?)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("{} does not start", function.binary.display()))?;
    let id = child.id();
    let _ = api.process.set(id);
    let mut child = Killed(child);
    tokio::time::timeout(Duration::from_secs(30), api.answered.notified())
        .await
        .context("no answer in 30 seconds")?;
    let peak_mb = peak_mb(id)?;
    child.0.kill()?;
    server.abort();
    let seen = api.seen.lock().map_err(|_| anyhow::anyhow!("the runtime API broke"))?;
    anyhow::ensure!(seen.answer.contains(function.wanted), "the function answered {}", seen.answer);
    let since = |at: Option<Instant>| at.map_or(f64::NAN, |at| (at - started).as_secs_f64() * 1_000.0);
    let (poll_ms, answer_ms) = (since(seen.first_poll), since(seen.first_answer));
    Ok(Start { poll_ms, answer_ms, ready_mb: seen.ready_mb, peak_mb })
}

/// The first poll gets the event; the next ones wait for ever.
async fn next(State(api): State<Arc<Api>>) -> Response {
    let is_first = {
        let Ok(mut seen) = api.seen.lock() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
        seen.polls += 1;
        if seen.first_poll.is_none() {
            seen.first_poll = Some(Instant::now());
            seen.ready_mb = api.process.get().and_then(|process| peak_mb(*process).ok()).unwrap_or(f64::NAN);
        }
        seen.polls == 1
    };
    if !is_first {
        std::future::pending::<()>().await;
    }
    let deadline = std::time::SystemTime::now() + Duration::from_mins(1);
    let deadline = deadline.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let headers = [
        ("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned()),
        ("Lambda-Runtime-Deadline-Ms", deadline.to_string()),
        (
            "Lambda-Runtime-Invoked-Function-Arn",
            "arn:aws:lambda:us-east-1:000000000000:function:count-calls".to_owned(),
        ),
        ("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0".to_owned()),
    ];
    (headers, api.event.clone()).into_response()
}

async fn answer(State(api): State<Arc<Api>>, body: String) -> StatusCode {
    if let Ok(mut seen) = api.seen.lock() {
        seen.first_answer.get_or_insert_with(Instant::now);
        seen.answer = body;
    }
    api.answered.notify_one();
    StatusCode::ACCEPTED
}
