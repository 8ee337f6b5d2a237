//! End-to-end suites: the `tollwatch` command as users run it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The `tollwatch` command, built from these sources with the profile that the tests have.
///
/// # Panics
/// Where it does not build.
pub fn tollwatch() -> Command {
    let mut command = Command::new(&*BUILT);
    command.env_remove("TOLLWATCH_LOG");
    command
}

static BUILT: LazyLock<PathBuf> = LazyLock::new(build);

/// Cargo gives a package the path of its own binaries alone, and building one takes no time once it is built.
fn build() -> PathBuf {
    // target/PROFILE/deps/TEST
    let test = std::env::current_exe().unwrap_or_else(|error| panic!("the test has no path: {error}"));
    let folder = test.ancestors().nth(2).unwrap_or(Path::new("target/debug"));
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let target = folder.parent().unwrap_or(Path::new("target"));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--package", "cli", "--bin", "tollwatch", "--profile", profile, "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    match built {
        Ok(status) if status.success() => folder.join(format!("tollwatch{}", std::env::consts::EXE_SUFFIX)),
        Ok(status) => panic!("tollwatch does not build: {status}"),
        Err(error) => panic!("cargo does not start: {error}"),
    }
}
