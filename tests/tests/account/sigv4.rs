//! Signature Version 4, recomputed from what arrived: by the text of its specification, with nothing of the code that
//! signs (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>).

use std::fmt::Write as _;

use axum::http::request::Parts;
use sha2::{Digest as _, Sha256};

/// Who may ask.
pub const KEY_ID: &str = "AKIDEXAMPLE";
/// The secret of it.
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// The service that a request is signed for; why not, where its signature is not that of [`KEY_ID`].
pub fn check(request: &Parts, body: &[u8]) -> Result<String, String> {
    let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let authorization = header("authorization").ok_or("it is not signed")?;
    let fields = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("of another algorithm")?;
    let field = |name: &str| {
        let found = fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
        found.ok_or_else(|| format!("no {name}"))
    };
    let (credential, signed, signature) = (field("Credential")?, field("SignedHeaders")?, field("Signature")?);
    let (key_id, scope) = credential.split_once('/').ok_or("no scope")?;
    if key_id != KEY_ID {
        return Err("of somebody else".to_owned());
    }
    let [date, region, service, "aws4_request"] = scope.split('/').collect::<Vec<_>>()[..] else {
        return Err("a scope of another form".to_owned());
    };
    let names: Vec<&str> = signed.split(';').collect();
    if !names.contains(&"host") || !names.contains(&"x-amz-date") {
        return Err("host or date are not signed".to_owned());
    }
    let at = header("x-amz-date").ok_or("no date")?;
    if !at.starts_with(date) {
        return Err("of another day".to_owned());
    }
    let mut canonical = format!("{}\n{}\n{}\n", request.method, request.uri.path(), query(request));
    for name in &names {
        let value = header(name).ok_or_else(|| format!("{name} is signed and not there"))?;
        let _ = writeln!(canonical, "{name}:{}", value.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    let hash = header("x-amz-content-sha256").map_or_else(|| hex(&Sha256::digest(body)), str::to_owned);
    let _ = write!(canonical, "\n{signed}\n{hash}");
    let to_sign = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let key = [date, region, service, "aws4_request"]
        .into_iter()
        .fold(format!("AWS4{SECRET}").into_bytes(), |key, part| hmac(&key, part.as_bytes()));
    match hex(&hmac(&key, to_sign.as_bytes())) == signature {
        true => Ok(service.to_owned()),
        false => Err("the signature does not match".to_owned()),
    }
}

/// Parameters in order, each with its `=`.
fn query(request: &Parts) -> String {
    let parts = request.uri.query().unwrap_or_default().split('&').filter(|part| !part.is_empty());
    let mut parts: Vec<String> =
        parts.map(|part| if part.contains('=') { part.to_owned() } else { format!("{part}=") }).collect();
    parts.sort();
    parts.join("&")
}

/// RFC 2104, with SHA-256.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    let short = if key.len() > 64 { Sha256::digest(key).to_vec() } else { key.to_vec() };
    block[..short.len()].copy_from_slice(&short);
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
