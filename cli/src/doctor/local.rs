//! What this machine needs.

use std::env;

use crate::doctor::report::{Report, Verdict};

/// What deploying needs, and how to get it.
const TOOLS: [(&str, &str); 2] = [("sam", "pip install aws-sam-cli"), ("cargo-lambda", "pip install cargo-lambda")];

/// Looks at temporary files, and at the tools for deploying; who does not deploy needs none of them.
pub(super) fn check(report: &mut Report) {
    report.add(
        "temporary files",
        match tempfile::tempfile() {
            Ok(_) => Verdict::Right(format!("can be made in {}", env::temp_dir().display())),
            Err(error) => Verdict::wrong(
                format!("none can be made in {}: {error}", env::temp_dir().display()),
                "set TMPDIR to a folder with room",
            ),
        },
    );
    let path = env::var_os("PATH").unwrap_or_default();
    for (tool, remedy) in TOOLS {
        let found = env::split_paths(&path).map(|folder| folder.join(tool)).find(|file| file.is_file());
        report.add(
            tool,
            match found {
                Some(file) => Verdict::Right(file.display().to_string()),
                None => Verdict::NotChecked(format!("it is not in PATH: only deploying needs it ({remedy})")),
            },
        );
    }
}
