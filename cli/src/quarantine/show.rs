//! `tollwatch quarantine show`.

use anyhow::anyhow;

use crate::failure::{Failure, Outcome};
use crate::output::print;
use crate::quarantine::stored::{Place, Store, Stored, position_of};

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Key of the record, as `list --json` names it, or its position
    key: String,
    #[command(flatten)]
    place: Place,
}

/// Prints the record, with control characters spelled out: it is what anybody may have sent.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let store = arguments.place.open().await?;
    let Stored { key, record, bytes } = find(&store, &arguments.key).await?;
    let original = match std::str::from_utf8(&bytes) {
        Ok(text) => printable(text),
        Err(_) => format!("{} (base64 of what is no UTF-8)", record.bytes),
    };
    print(&format!(
        "key         {key}\nreason      {}\nmessage     {}\nshard       {}\nposition    {}\narrived at  {}\nbytes       {}\n\n{original}\n",
        record.reason,
        record.message,
        record.shard,
        record.position,
        cdr::format_time(record.arrived_at_ms),
        bytes.len(),
    ))
}

async fn find(store: &Store, name: &str) -> Result<Stored, Failure> {
    let mut keys = vec![name.to_owned()];
    if !name.contains('/') {
        keys = store.keys(None).await?;
        keys.retain(|key| position_of(key) == name);
    }
    let none = || {
        let place = store.location();
        Failure::user(anyhow!("{place} has no record {name} in quarantine: `tollwatch quarantine list` has them"))
    };
    match &keys[..] {
        [] => Err(none()),
        [key] => store.get(key).await?.ok_or_else(none),
        more => Err(Failure::user(anyhow!("several records are at {name}: give one of {}", more.join(", ")))),
    }
}

fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && !matches!(c, '\n' | '\t') {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}
