//! The server that the Connect conformance suite tests: its service on the stack that serves features.
//!
//! `conformance-server` is told on its standard input what to be, listens as the native service does, and says where.
//! `conformance-server lambda` is the Lambda, for whatever the environment names as its runtime API;
//! `MESSAGE_BYTES_MAX` limits messages there. `tests/conformance/run` runs both.

mod answer;
mod service;

use std::error::Error;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use buffa::Message as _;
use connectrpc::{Limits, Router};
use lambda_http::service_fn;
use serve_features::native::{Exposure, NativeServer, Tls, TlsFiles};
use serve_features::{DEADLINE_MAX, answering, lambda};

use crate::generated::connectrpc::conformance::v1::{
    CONFORMANCE_SERVICE_SERVICE_NAME, ConformanceServiceExt as _, ServerCompatRequest, ServerCompatResponse,
    register_types,
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
            let rpc = answering(router(), limits(limit));
            lambda_http::run(service_fn(move |request| lambda::answer(rpc.clone(), request, DEADLINE_MAX))).await
        }
        Some(other) => Err(format!("{other} is nothing to be: say lambda, or nothing for the native server").into()),
    }
}

async fn native() -> Result<(), Box<dyn Error + Send + Sync>> {
    let told = read_told(&mut std::io::stdin().lock())?;
    let (router, health) = connectrpc_health::install_static(router(), [CONFORMANCE_SERVICE_SERVICE_NAME]);
    let folder = tempfile::tempdir()?;
    let tls = if told.use_tls { Some(Arc::new(tls(&told, folder.path())?)) } else { None };
    let exposure = Exposure { tls, ..Exposure::default() };
    let rpc = answering(router, limits(told.message_receive_limit));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = NativeServer::bind_rpc(address, rpc, health, exposure).await?;
    let said = ServerCompatResponse {
        host: server.address().ip().to_string(),
        port: u32::from(server.address().port()),
        pem_cert: told.server_creds.as_option().map(|creds| creds.cert.clone()).unwrap_or_default(),
        ..Default::default()
    };
    write_said(&mut std::io::stdout().lock(), &said)?;
    Ok(server.serve(std::future::pending()).await?)
}

/// TLS with the certificates that the suite made; the server wants files.
fn tls(told: &ServerCompatRequest, folder: &Path) -> Result<Tls, Box<dyn Error + Send + Sync>> {
    let creds = told.server_creds.as_option().ok_or("TLS without a certificate")?;
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(bytes)?;
        Ok::<_, std::io::Error>(path)
    };
    let authority = &told.client_tls_cert;
    Ok(Tls::open(TlsFiles {
        certificate: write("certificate.pem", &creds.cert)?,
        key: write("key.pem", &creds.key)?,
        client_authority: if authority.is_empty() { None } else { Some(write("authority.pem", authority)?) },
    })?)
}

fn router() -> Router {
    Arc::new(Conformance).register(Router::new())
}

/// The library's limits, unless the suite has one of its own.
fn limits(message_bytes_max: u32) -> Limits {
    match usize::try_from(message_bytes_max) {
        Ok(limit) if limit > 0 => Limits::default().with_max_message_size(limit),
        _ => Limits::default(),
    }
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
