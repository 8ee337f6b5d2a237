//! Ctrl-C or SIGTERM in the middle of a piece of work.

use std::path::Path;

use batch::remove_now;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::{Blame as _, Failure};

/// The exit code of a command that Ctrl-C ended, as shells have it.
pub(crate) const INTERRUPTED: i32 = 130;
/// The same of SIGTERM.
const TERMINATED: i32 = 143;

/// Does the work. Ctrl-C and SIGTERM drop it, so that what it owns goes with it, remove the temporary folder that its
/// threads write to, and end the command.
pub(crate) async fn unless_interrupted<T>(
    what: &str,
    temporary: Option<&Path>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut terminate = signal(SignalKind::terminate()).or_internal()?;
    let code = tokio::select! {
        done = work => return done,
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| INTERRUPTED).or_internal()?,
        _ = terminate.recv() => TERMINATED,
    };
    if let Some(folder) = temporary {
        remove_now(folder);
    }
    eprintln!("tollwatch: interrupted: {what}");
    // Threads that still compute would be waited for.
    std::process::exit(code)
}

/// Waits for Ctrl-C or, as service managers ask, SIGTERM.
pub(crate) async fn stop_signal() -> Result<(), Failure> {
    catch_stop()?.await;
    Ok(())
}

/// From now on Ctrl-C and SIGTERM end what is returned, and not the process: for those who say that they are ready.
pub(crate) fn catch_stop() -> Result<impl Future<Output = ()>, Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).or_internal()?;
    let mut terminate = signal(SignalKind::terminate()).or_internal()?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
