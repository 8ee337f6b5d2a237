//! Any bytes as a file: `cargo fuzz run --sanitizer none mapped_csv`.
#![no_main]

mod switch_files;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switch_files::read(call_files::SwitchFormat::MappedCsv, bytes));
