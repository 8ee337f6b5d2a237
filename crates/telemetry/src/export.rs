//! Sends spans to a collector over OTLP/HTTP, beside the work and never in its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use crate::TraceSettings;
use crate::limits::{AWAY, GATHER, QUEUE_SPANS_MAX, REQUEST_MAX, REQUEST_SPANS_MAX};
use crate::otlp;
use crate::span::Recorded;

/// The queue to the task that sends.
#[derive(Debug)]
pub(crate) struct Exporter {
    queue: mpsc::Sender<Message>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether the collector did not answer when it was last asked.
    is_away: AtomicBool,
    /// Spans that were not sent.
    dropped: AtomicU64,
}

enum Message {
    Span(Box<Recorded>),
    Flush(oneshot::Sender<()>),
}

impl Exporter {
    /// Starts the task.
    pub(crate) fn start(settings: TraceSettings) -> Self {
        let (queue, spans) = mpsc::channel(QUEUE_SPANS_MAX);
        let state = Arc::new(State::default());
        tokio::spawn(Sender { settings, state: Arc::clone(&state), left_alone_until: None }.run(spans));
        Self { queue, state }
    }

    /// Takes a span if there is room.
    pub(crate) fn take(&self, recorded: Recorded) {
        if self.queue.try_send(Message::Span(Box::new(recorded))).is_err() {
            self.state.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until what was taken is sent or given up.
    pub(crate) async fn flush(&self, within: Duration) {
        if self.state.is_away.load(Ordering::Relaxed) {
            return;
        }
        let flushed = async {
            let (done, is_done) = oneshot::channel();
            if self.queue.send(Message::Flush(done)).await.is_ok() {
                // A task that is gone sends nothing more.
                let _ = is_done.await;
            }
        };
        if timeout(within, flushed).await.is_err() {
            // Whoever comes next does not wait again. It is back as soon as it answers.
            self.state.is_away.store(true, Ordering::Relaxed);
        }
    }
}

/// The task that sends.
struct Sender {
    settings: TraceSettings,
    state: Arc<State>,
    left_alone_until: Option<Instant>,
}

type Http = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

impl Sender {
    async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let http = match http(self.settings.endpoint.scheme_str() == Some("https")) {
            Ok(http) => http,
            Err(error) => {
                tracing::warn!(target: "tollwatch", %error, "traces are not exported");
                self.state.is_away.store(true, Ordering::Relaxed);
                return;
            }
        };
        let mut gathered: Vec<Recorded> = Vec::new();
        let mut send_at = Instant::now();
        loop {
            let next = if gathered.is_empty() {
                Ok(messages.recv().await)
            } else {
                timeout_at(send_at, messages.recv()).await
            };
            match next {
                Ok(Some(Message::Span(span))) => {
                    if gathered.is_empty() {
                        send_at = Instant::now() + GATHER;
                    }
                    gathered.push(*span);
                    if gathered.len() >= REQUEST_SPANS_MAX {
                        self.send(&http, &mut gathered).await;
                    }
                }
                Ok(Some(Message::Flush(done))) => {
                    self.send(&http, &mut gathered).await;
                    // Whoever waited may have given up.
                    let _ = done.send(());
                }
                Err(_) => self.send(&http, &mut gathered).await,
                Ok(None) => return self.send(&http, &mut gathered).await,
            }
        }
    }

    async fn send(&mut self, http: &Http, gathered: &mut Vec<Recorded>) {
        let spans = std::mem::take(gathered);
        if spans.is_empty() {
            return;
        }
        let now = Instant::now();
        let sent = match self.left_alone_until {
            Some(until) if now < until => Err(None),
            _ => self.post(http, &spans).await.map_err(Some),
        };
        match sent {
            Ok(()) => {
                self.left_alone_until = None;
                self.state.is_away.store(false, Ordering::Relaxed);
                let dropped = self.state.dropped.swap(0, Ordering::Relaxed);
                if dropped > 0 {
                    tracing::warn!(target: "tollwatch", dropped, "spans were not sent to the collector of traces");
                }
            }
            Err(why) => {
                self.state.dropped.fetch_add(spans.len() as u64, Ordering::Relaxed);
                self.state.is_away.store(true, Ordering::Relaxed);
                if let Some(why) = why {
                    // Once for an outage.
                    if self.left_alone_until.is_none() {
                        tracing::warn!(target: "tollwatch", why, "the collector of traces takes no spans");
                    }
                    self.left_alone_until = Some(Instant::now() + AWAY);
                }
            }
        }
    }

    async fn post(&self, http: &Http, spans: &[Recorded]) -> Result<(), String> {
        let mut request = Request::post(self.settings.endpoint.clone()).header(header::CONTENT_TYPE, PROTOBUF);
        for (name, value) in &self.settings.headers {
            request = request.header(name, value);
        }
        let body = Bytes::from(otlp::request(&self.settings.resource, spans));
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        let answer = timeout(REQUEST_MAX, http.request(request)).await;
        let answer = answer.map_err(|_| "it did not answer in time".to_owned())?;
        let status = answer.map_err(|error| error.to_string())?.status();
        if status.is_success() { Ok(()) } else { Err(format!("it answered with status {}", status.as_u16())) }
    }
}

const PROTOBUF: &str = "application/x-protobuf";

/// A client without a pool: a Lambda that was frozen would find a connection that the collector has closed.
fn http(has_tls: bool) -> Result<Http, rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    if has_tls {
        // Some of a system's certificates may be of no use to us.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector))
}
