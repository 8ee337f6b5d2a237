//! Ctrl-C in the middle of a piece of work.

use crate::failure::{Blame as _, Failure};

/// The exit code of a command that Ctrl-C ended, as shells have it.
pub(crate) const INTERRUPTED: i32 = 130;

/// Does the work; Ctrl-C drops it, so that the temporary folders it owns go with it, and ends the command.
pub(crate) async fn unless_interrupted<T>(
    what: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let interrupted = tokio::select! {
        done = work => return done,
        interrupted = tokio::signal::ctrl_c() => interrupted,
    };
    match interrupted {
        Ok(()) => {
            eprintln!("tollwatch: interrupted: {what}");
            // Threads that still compute would be waited for.
            std::process::exit(INTERRUPTED)
        }
        Err(error) => Err(Failure::internal(error)),
    }
}

/// Waits for Ctrl-C or, as service managers ask, SIGTERM.
pub(crate) async fn stop_signal() -> Result<(), Failure> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).or_internal()?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.or_internal(),
        _ = terminate.recv() => Ok(()),
    }
}
