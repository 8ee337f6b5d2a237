//! End-to-end suites: the `tollwatch` command as users run it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The `tollwatch` command, built from these sources with the profile that the tests have.
pub fn tollwatch() -> Command {
    // A test is target/PROFILE/deps/NAME, a binary target/PROFILE/NAME.
    let test = std::env::current_exe().unwrap_or_default();
    let folder = test.ancestors().nth(2).unwrap_or(Path::new("target/debug"));
    let mut command = Command::new(folder.join(format!("tollwatch-under-test{}", std::env::consts::EXE_SUFFIX)));
    // What whoever runs the tests has set is not meant for them.
    for variable in ["TOLLWATCH_LOG", "TOLLWATCH_TOKEN_FILE", "TOLLWATCH_STACK", "OTEL_EXPORTER_OTLP_ENDPOINT"] {
        command.env_remove(variable);
    }
    command
}

/// Runs the command in a folder; arguments are separated by spaces.
///
/// # Panics
/// If it cannot be started.
#[track_caller]
pub fn run(folder: &Path, arguments: &str) -> Output {
    let output = tollwatch().args(arguments.split_whitespace()).current_dir(folder).output();
    output.unwrap_or_else(|error| panic!("{arguments}: {error}"))
}

/// What the command said, which must have done what it was told.
///
/// # Panics
/// If it has not.
#[track_caller]
pub fn said(arguments: &str, output: Output) -> String {
    assert!(output.status.success(), "{arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap_or_else(|error| panic!("{arguments}: {error}"))
}

/// `tollwatch serve`, which runs until this is dropped.
#[derive(Debug)]
pub struct Service {
    /// The process.
    pub child: Child,
    /// Where it listens.
    pub url: String,
}

impl Service {
    /// Starts it in a folder and waits until it listens. `stderr` is where its error stream goes.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn start(folder: &Path, arguments: &str, stderr: Stdio) -> Self {
        let mut command = tollwatch();
        command.args(arguments.split_whitespace()).current_dir(folder).stdout(Stdio::piped()).stderr(stderr);
        let child = command.spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{arguments}: {error}"));
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            let read = BufReader::new(stdout).read_line(&mut line);
            read.unwrap_or_else(|error| panic!("{arguments}: {error}"));
        }
        let url = line.split([' ', ',']).find(|word| word.starts_with("http"));
        let url = url.unwrap_or_else(|| panic!("{arguments}: it does not listen")).to_owned();
        Self { child, url }
    }

    /// Sends a signal, such as `-TERM`.
    ///
    /// # Panics
    /// If it cannot be sent.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{name} was not sent");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // The number of one that has ended may be another's by now.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
            let _ = self.child.wait();
        }
    }
}
