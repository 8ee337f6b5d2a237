//! DynamoDB, Kinesis and S3 on this machine for programs in any language: prints their URLs as one JSON object and
//! runs until its standard input ends.
//!
//!     cargo run --workspace --example endpoints -- FOLDER
//!
//! Tables and buckets are kept in the folder, streams in memory. Key id and secret are `local`.

use std::io::Read as _;
use std::process::ExitCode;

use local_aws::{LocalAws, LocalAwsConfig};

#[tokio::main]
async fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("endpoints: name the folder that tables and buckets are kept in");
        return ExitCode::from(2);
    };
    let local = match LocalAws::start(LocalAwsConfig::in_folder(folder)).await {
        Ok(local) => local,
        Err(error) => {
            eprintln!("endpoints: {error}");
            return ExitCode::FAILURE;
        }
    };
    let urls = local.endpoints();
    let shown = |url: Option<String>| url.unwrap_or_default();
    let (dynamodb, kinesis, s3) = (shown(urls.dynamodb), shown(urls.kinesis), shown(urls.s3));
    println!(r#"{{"dynamodb": "{dynamodb}", "kinesis": "{kinesis}", "s3": "{s3}"}}"#);
    // Whoever started it may be killed: then nobody would stop it.
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let _ = ended.await;
    local.shutdown().await;
    ExitCode::SUCCESS
}
