//! Loads a feature service: requests go out on a schedule whether or not the ones before are answered, and latency
//! counts from the scheduled time, so that queueing is not hidden.
//!
//!     feature-load load --url http://127.0.0.1:7020 --form grpc --phones 100000 --rate 500 --seconds 60
//!     feature-load check --url http://127.0.0.1:7020 --form grpc --values values.csv
//!
//! One program for all services, so that none has a better client: `feast` is HTTP/1.1 and JSON, `older` the older
//! gRPC interface, `grpc` and `connect` are Tollwatch's own by gRPC and by HTTP/1.1 and JSON. Prints one line of JSON.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bench::world::{feature_ids, phone};
use buffa::Message as _;
use bytes::{BufMut as _, Bytes, BytesMut};
use clap::{Parser, ValueEnum};
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use proto::{legacy, v1};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::task::LocalSet;

/// Requests of a sweep that wait for their answers: fewer than any of the services refuses.
const SWEEP_IN_FLIGHT: u64 = 64;
/// How long answers are waited for once the last request is out.
const GRACE: Duration = Duration::from_secs(5);
/// Of HTTP/2: a batch is longer than the default of 64 KB.
const WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Two values that differ less are the same.
const TOLERANCE: f64 = 1e-9;

#[derive(Parser)]
enum Command {
    /// Sends requests on a schedule.
    Load(Load),
    /// Asks for some keys, and compares every value with what it ought to be.
    Check(Check),
}

#[derive(clap::Args, Clone)]
struct Target {
    /// Where the service listens
    #[arg(long)]
    url: http::Uri,
    /// What it speaks
    #[arg(long, value_enum)]
    form: Form,
    /// Entities of a request
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Connections: of HTTP/1.1 each has one request in flight
    #[arg(long)]
    connections: Option<usize>,
}

#[derive(clap::Args)]
struct Load {
    #[command(flatten)]
    target: Target,
    /// How many phones there are: all are asked for alike
    #[arg(long)]
    phones: u64,
    /// Requests a second, on average: the times between them are exponential
    #[arg(long)]
    rate: f64,
    /// How long it is measured
    #[arg(long)]
    seconds: f64,
    /// How long the same load runs before
    #[arg(long, default_value_t = 1.0)]
    warm_seconds: f64,
    /// Instead of a load: ask for every phone once, as fast as it goes
    #[arg(long)]
    sweep: bool,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(clap::Args)]
struct Check {
    #[command(flatten)]
    target: Target,
    /// Phones and the values of their features
    #[arg(long)]
    values: PathBuf,
    /// How many requests
    #[arg(long, default_value_t = 200)]
    requests: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Feast,
    Older,
    Grpc,
    Connect,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let said = match Command::parse() {
        Command::Load(load) => LocalSet::new().run_until(run_load(load)).await?,
        Command::Check(check) => LocalSet::new().run_until(run_check(check)).await?,
    };
    println!("{said}");
    Ok(())
}

/// Requests of one form.
struct Requests {
    form: Form,
    batch: usize,
    /// With HTTP/1.1 the path alone.
    uri: http::Uri,
    host: HeaderValue,
    /// What of a body is the same in all.
    rest: Vec<u8>,
}

impl Requests {
    fn new(target: &Target) -> anyhow::Result<Self> {
        let single = target.batch == 1;
        let (path, rest) = match target.form {
            Form::Feast => ("/get-online-features", Vec::new()),
            Form::Older => ("/FeatureService/GetFeatures", Vec::new()),
            Form::Connect => (tollwatch_path(single), serde_json::to_vec(&feature_ids())?),
            Form::Grpc if single => {
                let party = v1::Party::PARTY_CALLER.into();
                let request = v1::GetFeaturesRequest { party, features: feature_ids(), ..Default::default() };
                (tollwatch_path(true), request.encode_to_vec())
            }
            Form::Grpc => {
                let request = v1::BatchGetFeaturesRequest { features: feature_ids(), ..Default::default() };
                (tollwatch_path(false), request.encode_to_vec())
            }
        };
        anyhow::ensure!(single || target.form != Form::Older, "the older interface has no batches");
        let authority = target.url.authority().context("the URL has no host")?;
        let host = HeaderValue::from_str(authority.as_str())?;
        let mut requests = Self { form: target.form, batch: target.batch, uri: path.parse()?, host, rest };
        if requests.is_http2() {
            requests.uri = format!("http://{authority}{path}").parse()?;
        }
        Ok(requests)
    }

    /// A request for some phones.
    fn make(&self, phones: &[String]) -> Request<Full<Bytes>> {
        let (body, content_type) = match self.form {
            Form::Feast => {
                let phones = phones.join("\",\"");
                let body = format!("{{\"feature_service\":\"calls\",\"entities\":{{\"phone\":[\"{phones}\"]}}}}");
                (Bytes::from(body), "application/json")
            }
            Form::Connect => {
                let mut body = String::with_capacity(600 + phones.len() * 50);
                match phones {
                    [phone] if self.batch == 1 => {
                        let _ = write!(body, "{{\"number\":\"{phone}\",\"party\":\"PARTY_CALLER\",\"features\":");
                    }
                    phones => {
                        body.push_str("{\"entities\":[");
                        for (n, phone) in phones.iter().enumerate() {
                            let comma = if n == 0 { "" } else { "," };
                            let _ = write!(body, "{comma}{{\"number\":\"{phone}\",\"party\":\"PARTY_CALLER\"}}");
                        }
                        body.push_str("],\"features\":");
                    }
                }
                let mut body = body.into_bytes();
                body.extend_from_slice(&self.rest);
                body.push(b'}');
                (Bytes::from(body), "application/json")
            }
            // Fields of a message may come in any order: the phones go before what is the same in all. A field of
            // number 1 and bytes is 0x0a, a length, and the bytes; numbers are short.
            Form::Older | Form::Grpc => {
                let mut message = BytesMut::with_capacity(600 + phones.len() * 20);
                for phone in phones {
                    message.put_u8(0x0a);
                    if self.form == Form::Grpc && self.batch > 1 {
                        // EntityRequest of number and party.
                        message.put_u8(phone.len() as u8 + 4);
                        message.put_u8(0x0a);
                        message.put_u8(phone.len() as u8);
                        message.put_slice(phone.as_bytes());
                        message.put_slice(&[0x10, 1]);
                    } else {
                        message.put_u8(phone.len() as u8);
                        message.put_slice(phone.as_bytes());
                    }
                }
                message.put_slice(&self.rest);
                // Not compressed, and the length of the message.
                let mut body = BytesMut::with_capacity(message.len() + 5);
                body.put_u8(0);
                body.put_u32(message.len() as u32);
                body.put_slice(&message);
                (body.freeze(), "application/grpc")
            }
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if self.is_http2() {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        } else {
            headers.insert(header::HOST, self.host.clone());
        }
        request
    }

    const fn is_http2(&self) -> bool {
        matches!(self.form, Form::Older | Form::Grpc)
    }

    /// The body of an answer; an error if the service did not do what was asked.
    async fn body(&self, response: http::Response<Incoming>) -> anyhow::Result<Bytes> {
        let status = response.status();
        let early = response.headers().get("grpc-status").cloned();
        let collected = response.into_body().collect().await?;
        let trailers = collected.trailers().and_then(|trailers| trailers.get("grpc-status")).cloned();
        let body = collected.to_bytes();
        anyhow::ensure!(status.is_success(), "status {status}: {}", String::from_utf8_lossy(&body));
        if self.is_http2() {
            let status = trailers.or(early).context("no grpc-status")?;
            anyhow::ensure!(status == "0", "grpc-status {status:?}");
        }
        anyhow::ensure!(!body.is_empty(), "an empty answer");
        Ok(body)
    }

    /// The values of each phone by feature, decoded.
    fn values(&self, body: &Bytes) -> anyhow::Result<Vec<BTreeMap<String, f64>>> {
        let message = || body.get(5..).context("no message");
        match self.form {
            Form::Feast => {
                let answer: Value = serde_json::from_slice(body)?;
                let names = answer["metadata"]["feature_names"].as_array().context("no names")?;
                let columns = answer["results"].as_array().context("no results")?;
                let of_row = |row: usize| {
                    let pairs = names.iter().zip(columns).filter(|(name, _)| *name != "phone");
                    let value = |(name, column): (&Value, &Value)| {
                        anyhow::ensure!(
                            column["statuses"][row] == "PRESENT",
                            "a status is {}",
                            column["statuses"][row]
                        );
                        Ok((name.as_str().context("no name")?.to_owned(), number(&column["values"][row])?))
                    };
                    pairs.map(value).collect()
                };
                (0..self.batch).map(of_row).collect()
            }
            Form::Older => {
                let answer = legacy::FeatureResponse::decode_from_slice(message()?)?;
                let value = |(name, text): (&String, &String)| Ok((name.clone(), text.parse()?));
                Ok(vec![answer.features.iter().map(value).collect::<anyhow::Result<_>>()?])
            }
            Form::Grpc if self.batch == 1 => {
                Ok(vec![of_response(&v1::GetFeaturesResponse::decode_from_slice(message()?)?)?])
            }
            Form::Grpc => {
                let answer = v1::BatchGetFeaturesResponse::decode_from_slice(message()?)?;
                let one = |result: &v1::EntityResult| match &result.result {
                    Some(v1::EntityOutcome::Features(response)) => of_response(response),
                    other => anyhow::bail!("an entity was answered with {other:?}"),
                };
                answer.results.iter().map(one).collect()
            }
            Form::Connect => {
                let answer: Value = serde_json::from_slice(body)?;
                let one = |answer: &Value| {
                    anyhow::ensure!(answer["degraded"].is_null(), "degraded: {}", answer["degradedReasons"]);
                    let values = answer["values"].as_array().context("no values")?;
                    let value = |value: &Value| {
                        let of = if value["integer"].is_null() { &value["number"] } else { &value["integer"] };
                        Ok((value["id"].as_str().context("no id")?.to_owned(), number(of)?))
                    };
                    values.iter().map(value).collect()
                };
                match answer["results"].as_array() {
                    Some(results) => results.iter().map(|result| one(&result["features"])).collect(),
                    None => Ok(vec![one(&answer)?]),
                }
            }
        }
    }
}

const fn tollwatch_path(single: bool) -> &'static str {
    if single { "/tollwatch.v1.FeatureService/GetFeatures" } else { "/tollwatch.v1.FeatureService/BatchGetFeatures" }
}

fn of_response(response: &v1::GetFeaturesResponse) -> anyhow::Result<BTreeMap<String, f64>> {
    anyhow::ensure!(!response.degraded, "degraded: {:?}", response.degraded_reasons);
    let value = |value: &v1::FeatureValue| {
        let number = match &value.value {
            Some(v1::Value::Integer(integer)) => *integer as f64,
            Some(v1::Value::Number(number)) => *number,
            None => anyhow::bail!("{} is missing", value.id),
        };
        Ok((value.id.clone(), number))
    };
    response.values.iter().map(value).collect()
}

/// A number, or the text of one: JSON of protobuf writes integers of 64 bits as text, and leaves out what is 0.
fn number(value: &Value) -> anyhow::Result<f64> {
    match value {
        Value::Number(number) => number.as_f64().context("no number"),
        Value::String(text) => Ok(text.parse()?),
        other => anyhow::bail!("{other} is no number"),
    }
}

/// Connections to the service.
enum Client {
    Http1(Rc<Queue>),
    Http2(Vec<http2::SendRequest<Full<Bytes>>>),
}

/// Requests that wait for one of the connections of HTTP/1.1.
#[derive(Default)]
struct Queue {
    waiting: RefCell<VecDeque<Job>>,
    more: Notify,
}

/// A request that is due.
struct Job {
    phones: Vec<String>,
    due: Instant,
    counts: bool,
}

/// What came of the requests that count.
#[derive(Default)]
struct Outcome {
    us: Vec<f64>,
    errors: u64,
    first_error: Option<String>,
    bytes: u64,
    scheduled: u64,
    /// Those that do not count, too.
    sent: u64,
    in_flight: u64,
    late_us: Vec<f64>,
    last_answer: Option<Instant>,
}

impl Outcome {
    fn done(&mut self, job: &Job, body: anyhow::Result<Bytes>) {
        self.in_flight -= 1;
        let now = Instant::now();
        match body {
            Ok(body) if job.counts => {
                self.us.push(now.duration_since(job.due).as_secs_f64() * 1e6);
                self.bytes += body.len() as u64;
                self.last_answer = Some(now);
            }
            Ok(_) => {}
            Err(error) => {
                self.errors += 1;
                self.first_error.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }
}

async fn connect1(url: &http::Uri) -> anyhow::Result<http1::SendRequest<Full<Bytes>>> {
    let stream = stream(url).await?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(connection);
    Ok(sender)
}

async fn connect2(url: &http::Uri) -> anyhow::Result<http2::SendRequest<Full<Bytes>>> {
    let stream = stream(url).await?;
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES * 4);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn stream(url: &http::Uri) -> anyhow::Result<TcpStream> {
    let (host, port) = (url.host().context("no host")?, url.port_u16().unwrap_or(80));
    let stream = TcpStream::connect((host, port)).await.with_context(|| format!("nobody listens at {url}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn run_load(load: Load) -> anyhow::Result<Value> {
    // Times between requests are shorter than the 50 us by which Linux may be late by default.
    let _ = std::fs::write("/proc/self/timerslack_ns", "1");
    let target = &load.target;
    let requests = Rc::new(Requests::new(target)?);
    let outcome = Rc::new(RefCell::new(Outcome::default()));
    let client = if requests.is_http2() {
        let mut senders = Vec::new();
        for _ in 0..target.connections.unwrap_or(4) {
            senders.push(connect2(&target.url).await?);
        }
        Client::Http2(senders)
    } else {
        let queue = Rc::new(Queue::default());
        for _ in 0..target.connections.unwrap_or(64) {
            let sender = connect1(&target.url).await?;
            let (queue, requests, outcome) = (Rc::clone(&queue), Rc::clone(&requests), Rc::clone(&outcome));
            tokio::task::spawn_local(work(sender, queue, requests, outcome, target.url.clone()));
        }
        Client::Http1(queue)
    };
    let (send, mut due) = mpsc::unbounded_channel();
    let (warm, whole) = (load.warm_seconds, load.warm_seconds + load.seconds);
    let start = Instant::now() + Duration::from_millis(50);
    let schedule =
        Schedule { start, warm, whole, rate: load.rate, seed: load.seed, batch: target.batch, phones: load.phones };
    let pacer = std::thread::spawn(move || if load.sweep { schedule.sweep(&send) } else { schedule.keep(&send) });
    let mut turn = 0;
    while let Some(job) = due.recv().await {
        while load.sweep && outcome.borrow().in_flight >= SWEEP_IN_FLIGHT {
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        {
            let mut outcome = outcome.borrow_mut();
            outcome.in_flight += 1;
            outcome.sent += 1;
            outcome.scheduled += u64::from(job.counts);
            if job.counts {
                outcome.late_us.push(Instant::now().duration_since(job.due).as_secs_f64() * 1e6);
            }
        }
        match &client {
            Client::Http1(queue) => {
                queue.waiting.borrow_mut().push_back(job);
                queue.more.notify_one();
            }
            Client::Http2(senders) => {
                turn = (turn + 1) % senders.len();
                let mut sender = senders[turn].clone();
                let (requests, outcome) = (Rc::clone(&requests), Rc::clone(&outcome));
                tokio::task::spawn_local(async move {
                    let answered = async {
                        let response = sender.send_request(requests.make(&job.phones)).await?;
                        requests.body(response).await
                    };
                    let answered = answered.await;
                    outcome.borrow_mut().done(&job, answered);
                });
            }
        }
    }
    let in_flight_at_end = outcome.borrow().in_flight;
    let until = Instant::now() + GRACE;
    while outcome.borrow().in_flight > 0 && (Instant::now() < until || load.sweep) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    pacer.join().map_err(|_| anyhow::anyhow!("the schedule broke"))?;
    let mut outcome = outcome.borrow_mut();
    if let Some(error) = outcome.first_error.as_ref().filter(|_| load.sweep) {
        anyhow::bail!("{} of {} phones were not answered: {error}", outcome.errors, outcome.sent);
    }
    outcome.us.sort_by(f64::total_cmp);
    outcome.late_us.sort_by(f64::total_cmp);
    let measured_from = start + Duration::from_secs_f64(warm);
    let seconds = outcome.last_answer.map_or(0.0, |last| last.duration_since(measured_from).as_secs_f64());
    Ok(json!({
        "rate": load.rate,
        "sent": outcome.sent,
        "scheduled": outcome.scheduled,
        "answered": outcome.us.len(),
        "answered_a_second": outcome.us.len() as f64 / seconds,
        "errors": outcome.errors,
        "first_error": outcome.first_error,
        "in_flight_at_end": in_flight_at_end,
        "unanswered": outcome.in_flight,
        "bytes_an_answer": outcome.bytes as f64 / outcome.us.len() as f64,
        "p50_us": quantile(&outcome.us, 0.5),
        "p95_us": quantile(&outcome.us, 0.95),
        "p99_us": quantile(&outcome.us, 0.99),
        "p999_us": quantile(&outcome.us, 0.999),
        "max_us": quantile(&outcome.us, 1.0),
        "sent_late_p50_us": quantile(&outcome.late_us, 0.5),
        "sent_late_p99_us": quantile(&outcome.late_us, 0.99),
    }))
}

/// One connection of HTTP/1.1.
async fn work(
    mut sender: http1::SendRequest<Full<Bytes>>,
    queue: Rc<Queue>,
    requests: Rc<Requests>,
    outcome: Rc<RefCell<Outcome>>,
    url: http::Uri,
) {
    loop {
        let next = queue.waiting.borrow_mut().pop_front();
        let Some(job) = next else {
            queue.more.notified().await;
            continue;
        };
        // The services close connections now and then, as they may.
        if sender.ready().await.is_err() {
            match connect1(&url).await {
                Ok(again) => sender = again,
                Err(error) => {
                    outcome.borrow_mut().done(&job, Err(error));
                    continue;
                }
            }
        }
        let answered = async {
            let response = sender.send_request(requests.make(&job.phones)).await?;
            requests.body(response).await
        };
        let answered = answered.await;
        outcome.borrow_mut().done(&job, answered);
    }
}

/// When requests are due, and for whom.
struct Schedule {
    start: Instant,
    warm: f64,
    whole: f64,
    rate: f64,
    seed: u64,
    batch: usize,
    phones: u64,
}

impl Schedule {
    /// Hands each request out when it is due.
    fn keep(&self, send: &mpsc::UnboundedSender<Job>) {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut at = 0.0;
        loop {
            at -= (1.0 - random.random_range(0.0..1.0_f64)).ln() / self.rate;
            if at >= self.whole {
                return;
            }
            let due = self.start + Duration::from_secs_f64(at);
            let phones = (0..self.batch).map(|_| phone(random.random_range(0..self.phones), self.phones)).collect();
            let now = Instant::now();
            if due > now {
                std::thread::sleep(due - now);
            }
            if send.send(Job { phones, due, counts: at >= self.warm }).is_err() {
                return;
            }
        }
    }

    /// Hands out every phone once, at the rate.
    fn sweep(&self, send: &mpsc::UnboundedSender<Job>) {
        for n in 0..self.phones / self.batch as u64 {
            let first = n * self.batch as u64;
            let phones = (first..first + self.batch as u64).map(|n| phone(n, self.phones)).collect();
            let due = self.start + Duration::from_secs_f64(n as f64 / self.rate);
            let now = Instant::now();
            if due > now {
                std::thread::sleep(due - now);
            }
            if send.send(Job { phones, due, counts: true }).is_err() {
                return;
            }
        }
    }
}

/// The value that a share of all are not above; they are in order.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1));
    sorted.get(at - 1).copied().unwrap_or(f64::NAN)
}

async fn run_check(check: Check) -> anyhow::Result<Value> {
    let target = &check.target;
    let requests = Requests::new(target)?;
    let text = std::fs::read_to_string(&check.values)?;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().context("no header")?.split(',').skip(1).collect();
    let rows: Vec<&str> = lines.collect();
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let (mut http1, mut http2) = if requests.is_http2() {
        (None, Some(connect2(&target.url).await?))
    } else {
        (Some(connect1(&target.url).await?), None)
    };
    let mut compared = 0;
    for _ in 0..check.requests {
        let asked: Vec<&str> = (0..target.batch).map(|_| rows[random.random_range(0..rows.len())]).collect();
        let phones: Vec<String> =
            asked.iter().map(|row| row.split(',').next().unwrap_or_default().to_owned()).collect();
        let request = requests.make(&phones);
        let response = match (&mut http1, &mut http2) {
            (Some(sender), _) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            (_, Some(sender)) => sender.send_request(request).await?,
            (None, None) => anyhow::bail!("no connection"),
        };
        let found = requests.values(&requests.body(response).await?)?;
        anyhow::ensure!(found.len() == target.batch, "{} answers to {} phones", found.len(), target.batch);
        for (row, found) in asked.iter().zip(found) {
            anyhow::ensure!(found.len() == names.len(), "{} values, wants {}", found.len(), names.len());
            for (name, wanted) in names.iter().zip(row.split(',').skip(1)) {
                let wanted: f64 = wanted.parse()?;
                let got = *found.get(*name).with_context(|| format!("{name} is not in the answer"))?;
                anyhow::ensure!((got - wanted).abs() <= TOLERANCE, "{name} of a phone is {got}, wants {wanted}");
                compared += 1;
            }
        }
    }
    Ok(json!({ "compared": compared }))
}
