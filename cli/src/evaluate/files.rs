//! Labels and calls of files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use call_files::{FileCall, ReadOptions};
use cdr::NumberPlan;
use evaluation::{Labels, LoadedCalls};

use crate::call_input::{Refusals, read_calls};
use crate::failure::{Blame as _, Failure};
use crate::progress;

/// What the generator's files of calls begin with.
const CALL_FILE_PREFIX: &str = "calls-";

/// A file of labels and the calls they are about, in order of arrival: those that are given, or those beside it.
pub(super) fn read(
    labels: &Path,
    from: &[PathBuf],
    plan: &NumberPlan,
    options: &ReadOptions,
) -> Result<(Labels, LoadedCalls), Failure> {
    let read = Labels::read(labels, plan).or_user()?;
    if !read.passed_over().is_empty() {
        eprintln!("passed over: columns {} of {}", read.passed_over().join(", "), labels.display());
    }
    let files = if from.is_empty() { beside(labels)? } else { from.to_vec() };
    let bar = progress::bar("read calls", files.len() as u64, "files");
    let mut calls = LoadedCalls::default();
    let mut refused = Refusals::default();
    for file in &files {
        let each = |FileCall { arrived_at_ms, call, .. }: FileCall| calls.push(arrived_at_ms, call).or_user();
        read_calls(file, plan, options, None, &mut refused, each)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    refused.tell()?;
    calls.put_in_order();
    Ok((read, calls))
}

/// The files of calls in the folder of a file, in order of their names.
fn beside(labels: &Path) -> Result<Vec<PathBuf>, Failure> {
    let folder = labels.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cannot_read = || format!("cannot read {}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(cannot_read).or_user()? {
        let entry = entry.with_context(cannot_read).or_user()?;
        if entry.file_name().to_string_lossy().starts_with(CALL_FILE_PREFIX) {
            files.push(entry.path());
        }
    }
    files.sort();
    if files.is_empty() {
        let (labels, folder) = (labels.display(), folder.display());
        return Err(Failure::user(anyhow!(
            "there is no file {CALL_FILE_PREFIX}* in {folder}: name the calls that {labels} is about with --from"
        )));
    }
    Ok(files)
}
