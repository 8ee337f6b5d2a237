//! The server that the Connect conformance suite tests: its service on the stack that serves features.
//!
//! `conformance-server` is told on its standard input what to be, listens as the native service does, and says where.
//! `conformance-server lambda` is the Lambda, for whatever the environment names as its runtime API;
//! `MESSAGE_BYTES_MAX` limits messages there. `tests/conformance/run` runs both.

mod answer;
mod service;

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use buffa::Message as _;
use connectrpc::server::Server;
use connectrpc::{ConnectRpcService, DeadlinePolicy, Limits, Router};
use lambda_http::service_fn;
use serve_features::{DEADLINE_DEFAULT, DEADLINE_MAX, lambda};
use tokio::net::TcpListener;

use crate::generated::connectrpc::conformance::v1::{
    ConformanceServiceExt as _, ServerCompatRequest, ServerCompatResponse, register_types,
};
use crate::service::Conformance;

#[allow(dead_code, missing_docs, unused_imports, clippy::all, clippy::pedantic, clippy::unwrap_used)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/mod.rs"));
}

/// The most that the suite says at once, in bytes: it sends certificates.
const TOLD_BYTES_MAX: u32 = 1024 * 1024;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut types = buffa::type_registry::TypeRegistry::new();
    register_types(&mut types);
    buffa_types::register_wkt_types(&mut types);
    buffa::type_registry::set_type_registry(types);

    match std::env::args().nth(1).as_deref() {
        None => native().await,
        Some("lambda") => {
            let limit = std::env::var("MESSAGE_BYTES_MAX").unwrap_or_default().parse().unwrap_or_default();
            let rpc = rpc(limit);
            lambda_http::run(service_fn(move |request| lambda::answer(rpc.clone(), request, DEADLINE_MAX))).await
        }
        Some(other) => Err(format!("{other} is nothing to be: say lambda, or nothing for the native server").into()),
    }
}

async fn native() -> Result<(), Box<dyn Error + Send + Sync>> {
    let told = read_told(&mut std::io::stdin().lock())?;
    if told.use_tls {
        return Err("TLS is not tested: configure the suite with supports_tls false".into());
    }
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let address = listener.local_addr()?;
    let said = ServerCompatResponse {
        host: address.ip().to_string(),
        port: u32::from(address.port()),
        ..Default::default()
    };
    write_said(&mut std::io::stdout().lock(), &said)?;
    let rpc = rpc(told.message_receive_limit);
    Server::from_listener(listener).serve_with_service(rpc).await
}

/// The service under the deadlines of the feature service. A limit of 0 leaves that of the library.
fn rpc(message_bytes_max: u32) -> ConnectRpcService {
    let router = Arc::new(Conformance).register(Router::new());
    let limits = match usize::try_from(message_bytes_max) {
        Ok(limit) if limit > 0 => Limits::default().with_max_message_size(limit),
        _ => Limits::default(),
    };
    let deadlines = DeadlinePolicy::new().with_default_timeout(DEADLINE_DEFAULT).with_max(DEADLINE_MAX);
    ConnectRpcService::new(router).with_limits(limits).with_deadline_policy(deadlines)
}

/// Four bytes of length, most significant first, and the message.
fn read_told(input: &mut impl Read) -> Result<ServerCompatRequest, Box<dyn Error + Send + Sync>> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > TOLD_BYTES_MAX {
        return Err(format!("told {length} bytes: at most {TOLD_BYTES_MAX} are taken").into());
    }
    let mut message = vec![0; usize::try_from(length)?];
    input.read_exact(&mut message)?;
    Ok(ServerCompatRequest::decode_from_slice(&message)?)
}

fn write_said(output: &mut impl Write, said: &ServerCompatResponse) -> Result<(), Box<dyn Error + Send + Sync>> {
    let message = said.encode_to_vec();
    output.write_all(&u32::try_from(message.len())?.to_be_bytes())?;
    output.write_all(&message)?;
    Ok(output.flush()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_has_its_length_before_it_and_a_bound() {
        let told = ServerCompatRequest { use_tls: true, message_receive_limit: 7, ..Default::default() };
        let message = told.encode_to_vec();
        let mut bytes = u32::try_from(message.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend(message);
        bytes.push(0);
        assert_eq!(read_told(&mut bytes.as_slice()).unwrap(), told);
        assert!(read_told(&mut &bytes[..bytes.len() - 2]).is_err());
        assert!(read_told(&mut [0xFF; 8].as_slice()).unwrap_err().to_string().contains("at most"));
    }
}
