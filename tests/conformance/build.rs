//! Compiles the suite's interface.

use std::error::Error;
use std::path::PathBuf;

const FILE: &str = "conformance.proto";

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files([FILE])?;
    let descriptors = out.join("descriptors.bin");
    std::fs::write(&descriptors, compiler.encode_file_descriptor_set())?;
    connectrpc_build::Config::new()
        .descriptor_set(descriptors)
        .files(&[FILE])
        .out_dir(&out)
        .include_file("mod.rs")
        .generate_json(true)
        .emit_rerun_directives(false)
        .compile()?;
    println!("cargo:rerun-if-changed=proto/{FILE}");
    println!("cargo:rerun-if-changed=build.rs");
    Ok(())
}
