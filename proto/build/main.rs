//! Compiles the .proto files with protox, in pure Rust: nobody needs protoc.
//!
//! The call record and the services are generated apart, each into a folder of its own, so that a crate that
//! wants the record alone does not pull in the RPC stack. The JSON form of the services is described as OpenAPI.

mod openapi;
mod yaml;

use std::error::Error;
use std::path::{Path, PathBuf};

/// Files with messages only.
const MESSAGES: [&str; 1] = ["tollwatch/v1/call_record.proto"];
/// Files with services; compiled with the feature `service`.
const SERVICES: [&str; 2] = ["tollwatch/v1/feature_service.proto", "legacy_feature_service.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    generate(&MESSAGES, &out.join("messages"), false)?;
    if std::env::var_os("CARGO_FEATURE_SERVICE").is_some() {
        generate(&SERVICES, &out.join("services"), true)?;
        std::fs::write(out.join("services/openapi.yaml"), openapi::document(&SERVICES)?)?;
    }
    for file in MESSAGES.iter().chain(&SERVICES) {
        println!("cargo:rerun-if-changed={file}");
    }
    println!("cargo:rerun-if-changed=build");
    Ok(())
}

/// Writes `mod.rs` and what it includes for `files` to `out`, and their descriptors, with all imports and
/// without comments, to `descriptors.bin` for the reflection service. `json` adds the proto3 JSON form.
fn generate(files: &[&str], out: &Path, json: bool) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(out)?;
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true).open_files(files)?;
    let commented = out.join("commented.bin");
    std::fs::write(&commented, compiler.encode_file_descriptor_set())?;
    compiler.include_source_info(false);
    std::fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;

    connectrpc_build::Config::new()
        .descriptor_set(commented)
        .files(files)
        .out_dir(out)
        .include_file("mod.rs")
        .generate_json(json)
        .emit_rerun_directives(false)
        .compile()?;
    Ok(())
}
