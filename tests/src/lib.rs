//! End-to-end suites: the `tollwatch` command as users run it.

use std::path::Path;
use std::process::Command;

/// The `tollwatch` command, built from these sources with the profile that the tests have.
pub fn tollwatch() -> Command {
    // A test is target/PROFILE/deps/NAME, a binary target/PROFILE/NAME.
    let test = std::env::current_exe().unwrap_or_default();
    let folder = test.ancestors().nth(2).unwrap_or(Path::new("target/debug"));
    let mut command = Command::new(folder.join(format!("tollwatch-under-test{}", std::env::consts::EXE_SUFFIX)));
    command.env_remove("TOLLWATCH_LOG");
    command
}
