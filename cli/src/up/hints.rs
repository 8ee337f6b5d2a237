//! What to do with a system that is up, in lines that can be pasted.

use std::fmt::Write as _;

use serve_features::metrics_page::METRICS_PATH;

use crate::defaults::{SERVICE_URL, STATE_FOLDER, STREAM, TILE_TABLE};
use crate::up::Arguments;
use crate::up::epoch::System;
use crate::up::live::Examples;

/// The whole text.
pub(crate) fn text(system: &System, examples: &Examples, arguments: &Arguments) -> String {
    let url = format!("http://{}", system.service.address);
    let endpoints = system.local.endpoints();
    let mut text = format!(
        "service   {url}  gRPC, gRPC-Web, Connect and JSON; feature set {}\n\
         metrics   {url}{METRICS_PATH}  for Prometheus\n\
         DynamoDB  {}  table {TILE_TABLE}\n\
         Kinesis   {}  stream {STREAM}\n\
         folder    {}\n\n",
        system.set.version(),
        endpoints.dynamodb.unwrap_or_default(),
        endpoints.kinesis.unwrap_or_default(),
        arguments.folder.display(),
    );
    if let Some(address) = system.ingest {
        // Writing to a string does not fail.
        let _ = writeln!(text, "POST call records to http://{address}/v1/calls\n");
    }
    let of_url = if url == SERVICE_URL { String::new() } else { format!(" --url {url}") };
    let mut asked = None;
    if let Some(number) = &examples.robocaller {
        let _ = writeln!(text, "A machine that calls everybody, and a subscriber that calls a lot:");
        let _ = writeln!(text, "  tollwatch get {number}{of_url}");
        asked = Some(number);
    }
    if let Some(number) = &examples.busy {
        let _ = writeln!(text, "  tollwatch get {number}{of_url}");
        asked = asked.or(Some(number));
    }
    if let Some(number) = asked {
        let _ = writeln!(
            text,
            "  curl -s {url}/tollwatch.v1.FeatureService/GetFeatures -H 'content-type: application/json' \
             -d '{{\"number\":\"{number}\"}}'"
        );
    }
    let of_data = match arguments.folder.to_str() {
        Some(STATE_FOLDER) => String::new(),
        _ => format!(" --data {}", arguments.folder.display()),
    };
    let _ = writeln!(text, "  tollwatch top calls_7d{of_data}");
    let _ = writeln!(
        text,
        "gRPC clients: {}, without TLS, service tollwatch.v1.FeatureService; reflection is on.\n\nCtrl-C ends it.",
        system.service.address
    );
    text
}
