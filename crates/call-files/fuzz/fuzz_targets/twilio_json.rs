//! Any bytes as a file: `cargo fuzz run --sanitizer none twilio_json`.
#![no_main]

mod switch_files;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switch_files::read(call_files::SwitchFormat::TwilioJson, bytes));
