//! `tollwatch get`: the features of a number, prefix or range, from a running service.

mod signing;
mod table;

use ::features::{Level, Party};
use anyhow::anyhow;
use connectrpc::{ConnectError, ErrorCode, Protocol};
use proto::v1;
use proto::v1::FeatureServiceClient;
use serve_features::client::{self, Spoken};
use serve_features::watch::TRACEPARENT;
use telemetry::SpanKind;

use crate::credentials::CredentialFlags;
use crate::defaults::SERVICE_URL;
use crate::failure::{Blame as _, Failure, Outcome};
use crate::output::print;
use crate::signed::Signed;
use crate::{observed, times};

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A number such as +12025550101; with --level also a prefix or range such as +1202
    number: String,
    /// Only what it did (caller) or what was done to it (callee) [default: both]
    #[arg(long)]
    party: Option<Party>,
    /// phone, prefix or range [default: phone]
    #[arg(long)]
    level: Option<Level>,
    /// The moment to answer for [default: now]
    #[arg(long, value_name = "TIME", value_parser = times::parse_time)]
    as_of: Option<i64>,
    /// Names or ids, such as calls,short_calls_7d [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    features: Vec<String>,
    /// The service
    #[arg(long, value_name = "URL", default_value = SERVICE_URL)]
    url: String,
    /// Sign the request with the AWS credentials of the environment, as a function URL with IAM wants it; region is that
    /// of AWS_REGION or the profile [default: signed at a function URL, where there are credentials]
    #[arg(long)]
    iam: bool,
    #[command(flatten)]
    credentials: CredentialFlags,
    /// Print the response as the service gives it in JSON
    #[arg(long)]
    json: bool,
}

/// Asks and prints.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let credentials = arguments.credentials.credentials();
    let signer = signing::signer(&arguments.url, arguments.iam, &credentials).await?;
    // Native gRPC does not pass a function URL.
    let protocol = if signer.is_some() { Protocol::Connect } else { Protocol::Grpc };
    let (mut config, transport) = client::parts(&arguments.url, &credentials, protocol).or_user()?;
    let tracer = observed::tracer("tollwatch-get")?;
    let mut span = tracer.as_ref().map(|tracer| {
        let name = format!("{}/GetFeatures", v1::FEATURE_SERVICE_SERVICE_NAME);
        let mut span = tracer.span(name, SpanKind::Client, None);
        span.set("rpc.system", if signer.is_some() { "connect_rpc" } else { "grpc" });
        span.set("rpc.service", v1::FEATURE_SERVICE_SERVICE_NAME);
        span.set("rpc.method", "GetFeatures");
        span
    });
    if let Some(span) = &span {
        config = config.with_default_header(TRACEPARENT, span.context().to_string());
    }
    let request = arguments.request();
    let answered = match signer {
        None => FeatureServiceClient::new(transport, config).get_features(request).await,
        Some(signer) => FeatureServiceClient::new(Signed::new(transport, signer), config).get_features(request).await,
    };
    if let (Err(error), Some(span)) = (&answered, &mut span) {
        span.fail(error.code.as_str());
    }
    drop(span);
    let shown = match answered {
        Ok(response) => show(&arguments, &response.into_owned()),
        Err(error) => Err(explain(&error, &arguments.url).await),
    };
    // Nobody waits for it who reads the answer.
    observed::finish(tracer.as_ref()).await;
    shown
}

fn show(arguments: &Arguments, response: &v1::GetFeaturesResponse) -> Outcome {
    if arguments.json {
        return print(&(serde_json::to_string(response).or_internal()? + "\n"));
    }
    print(&table::render(response))
}

impl Arguments {
    fn request(&self) -> v1::GetFeaturesRequest {
        let party = match self.party {
            None => v1::Party::PARTY_UNSPECIFIED,
            Some(Party::Caller) => v1::Party::PARTY_CALLER,
            Some(Party::Callee) => v1::Party::PARTY_CALLEE,
        };
        let level = match self.level {
            None => v1::Level::LEVEL_UNSPECIFIED,
            Some(Level::Phone) => v1::Level::LEVEL_PHONE,
            Some(Level::Prefix) => v1::Level::LEVEL_PREFIX,
            Some(Level::Range) => v1::Level::LEVEL_RANGE,
        };
        v1::GetFeaturesRequest {
            number: self.number.clone(),
            party: party.into(),
            level: level.into(),
            as_of: self.as_of.map(proto::from_millis).into(),
            features: self.features.iter().map(|feature| feature.trim().to_owned()).collect(),
            ..Default::default()
        }
    }
}

/// What the service refuses is the user's to mend, and so is a service that is not there.
async fn explain(error: &ConnectError, url: &str) -> Failure {
    let message = error.message.as_deref().unwrap_or("it gave no reason");
    // A service that is there but lacks a store says so with a detail.
    let detail = client::error_detail(error);
    match (error.code, detail) {
        (ErrorCode::InvalidArgument, _) => Failure::user(anyhow!("{message}")),
        (ErrorCode::Unauthenticated, Some(_)) => Failure::user(anyhow!(
            "the service at {url} does not know who asks: name a file with one of its tokens with --token-file"
        )),
        (ErrorCode::Unavailable | ErrorCode::DeadlineExceeded, None) => {
            if let Some(other) = of_other_scheme(url).await {
                return Failure::user(other);
            }
            let cause = root_cause(error).unwrap_or_else(|| message.to_owned());
            let remedy = if url.starts_with("https:") {
                "--ca names the authority of its certificate, --client-cert your own where it wants one, --url another \
                 service"
            } else {
                "start one with `tollwatch up`, or name another with --url"
            };
            Failure::user(anyhow!("no service answers at {url} ({cause}): {remedy}"))
        }
        (ErrorCode::PermissionDenied, None) => Failure::user(anyhow!(
            "{url} refuses the request: a function URL with IAM wants it signed by AWS credentials that may \
             lambda:InvokeFunctionUrl and lambda:InvokeFunction on its function; `tollwatch doctor` says whose there are"
        )),
        (code, Some(_)) => Failure::internal(anyhow!("the service at {url} could not answer: {code:?}: {message}")),
        (code, None) => {
            Failure::user(anyhow!("{url} does not answer as a feature service ({code:?}: {message}): see --url"))
        }
    }
}

/// What is wrong with a URL at whose port something answers, but not as the URL says.
async fn of_other_scheme(url: &str) -> Option<anyhow::Error> {
    let spoken = client::spoken_at(url).await?;
    let (scheme, rest) = url.split_once("://")?;
    match (scheme, spoken) {
        ("http", Spoken::Tls) => Some(anyhow!(
            "something answers at {url}, but it speaks TLS: give --url https://{rest}, and --ca with the authority of its \
             certificate where the system does not know it"
        )),
        ("https", Spoken::Plain) => {
            Some(anyhow!("something answers at {url}, but it speaks HTTP without TLS: give --url http://{rest}"))
        }
        _ => None,
    }
}

/// What the system or the library that speaks TLS says, below what the layers above them make of it.
fn root_cause(error: &ConnectError) -> Option<String> {
    let first = std::error::Error::source(error)?;
    let causes = std::iter::successors(Some(first), |cause| cause.source());
    causes.last().map(ToString::to_string)
}
