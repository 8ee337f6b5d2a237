//! Which flag of which command takes its value from which output of the stack: the one table of it.

/// The default of a flag where a stack is named.
pub(crate) struct FromStack {
    /// The command, with its subcommand.
    pub(crate) command: &'static str,
    /// The id of the flag: the name of its field.
    pub(crate) flag: &'static str,
    /// The value, with the names of outputs in braces.
    pub(crate) value: &'static str,
    /// Flags that say that the stack is not meant, such as one that names a local endpoint.
    pub(crate) unless: &'static [&'static str],
}

const fn from(command: &'static str, flag: &'static str, value: &'static str) -> FromStack {
    FromStack { command, flag, value, unless: &[] }
}

impl FromStack {
    const fn unless(self, unless: &'static [&'static str]) -> Self {
        Self { unless, ..self }
    }
}

const RAW: &str = "s3://{ArchiveBucket}/raw";
const SNAPSHOTS: &str = "s3://{SnapshotBucket}";
const QUARANTINE: &str = "s3://{QuarantineBucket}";
const STREAM: &str = "{StreamName}";
const TABLE: &str = "{TileTable}";

/// All of them.
pub(crate) const FROM_STACK: &[FromStack] = &[
    from("get", "url", "{ServiceUrl}"),
    from("top", "data", SNAPSHOTS),
    from("import", "stream", STREAM).unless(&["endpoint_url", "output", "dry_run"]),
    from("replay", "stream", STREAM).unless(&["endpoint_url"]),
    from("consume", "stream", STREAM).unless(&["kinesis_endpoint"]),
    from("consume", "table", TABLE).unless(&["dynamodb_endpoint"]),
    from("consume", "quarantine", QUARANTINE),
    from("backfill", "from", RAW),
    from("backfill", "table", TABLE).unless(&["dynamodb_endpoint"]),
    from("quarantine list", "at", QUARANTINE),
    from("quarantine show", "at", QUARANTINE),
    from("quarantine redrive", "at", QUARANTINE),
    from("quarantine redrive", "stream", STREAM).unless(&["endpoint_url"]),
    from("batch", "input", RAW),
    from("batch", "output", SNAPSHOTS),
    from("training-set", "input", RAW),
    from("parity", "input", RAW),
    from("snapshots list", "output", SNAPSHOTS),
    from("snapshots prune", "output", SNAPSHOTS),
    from("serve", "tiles", TABLE).unless(&["endpoint_url"]),
    from("serve", "data", SNAPSHOTS),
];

/// The commands that read the stack themselves.
pub(crate) const READ_THE_STACK: &[&str] = &["doctor"];

/// Those of a command.
pub(crate) fn of_command(command: &str) -> impl Iterator<Item = &'static FromStack> {
    FROM_STACK.iter().filter(move |from| from.command == command)
}
