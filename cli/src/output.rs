//! What a command says on standard output.

use std::io::{ErrorKind, Write as _};

use anyhow::Context as _;

use crate::failure::{Blame as _, Outcome};

/// Prints a text. A reader that has gone, as `head` does, is no failure.
pub(crate) fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to the standard output").or_internal()
        }
        _ => Ok(()),
    }
}
