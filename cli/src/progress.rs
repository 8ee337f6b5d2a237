//! Bars for what a user waits for. They show on a terminal only, and never on standard output.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar towards `total` steps of a named kind, such as `calls`.
pub(crate) fn bar(what: &'static str, total: u64, unit: &'static str) -> ProgressBar {
    let template =
        format!("{{prefix:24}} {{wide_bar}} {{human_pos}}/{{human_len}} {unit} {{per_sec}} {{msg}} {{eta}}");
    let bar = ProgressBar::new(total).with_prefix(what);
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}

/// A spinner for what has no known length.
pub(crate) fn spinner(what: &'static str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_prefix(what);
    if let Ok(style) = ProgressStyle::with_template("{prefix:24} {spinner} {msg} {elapsed}") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}
