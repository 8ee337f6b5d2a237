//! Ctrl-C in the middle of a piece of work.

use tokio::signal::unix::{SignalKind, signal};

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
