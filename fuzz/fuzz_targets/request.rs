//! Any bytes as a request, in any form: `cargo fuzz run --sanitizer none request`.
//!
//! The first three bytes choose the form, the others are the body. The same function is driven by properties in the
//! suite (`functions/serve-features/tests/serve/garbage.rs`).
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../functions/serve-features/tests/serve/decoding.rs"]
mod decoding;

/// Made once: it compiles the patterns of the whole number plan.
static DRIVER: LazyLock<decoding::Driver> = LazyLock::new(decoding::Driver::new);

fuzz_target!(|input: &[u8]| {
    if let Some((choice, body)) = input.split_first_chunk::<3>() {
        DRIVER.send(&decoding::Form::chosen(*choice), body);
    }
});
