//! The rules, one function each.

mod alarms;
mod exactly_once;
mod functions;
mod permissions;
mod storage;
mod usage;

use std::collections::BTreeMap;

use crate::{Template, VariablesRead};

/// What must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Somebody is allowed an action with `*`, or all but some.
    WildcardAction,
    /// Somebody is allowed something on resources that are not named.
    WildcardResource,
    /// Two functions, or whatever else works under a role, have the same one.
    SharedRole,
    /// Shards are not read in order.
    ParallelBatches,
    /// A record that failed takes the whole batch with it.
    NoItemFailures,
    /// A batch that fails is not cut in two.
    NoBisect,
    /// Records are given up before they expire.
    BoundedRetries,
    /// What is given up is gone.
    NothingSetAside,
    /// Tiles never expire.
    TableWithoutTtl,
    /// A table cannot be brought back.
    TableWithoutRecovery,
    /// Somebody outside may read a bucket.
    PublicBucket,
    /// A bucket answers without TLS.
    BucketWithoutTls,
    /// Data lies unencrypted, or a topic does.
    Unencrypted,
    /// Data goes with the stack.
    BucketNotRetained,
    /// Uploads that were broken off stay, and cost.
    UploadsKept,
    /// Nobody hears of a function's errors, throttles or long durations.
    FunctionWithoutAlarm,
    /// An alarm on durations is not at four fifths of its function's timeout.
    DurationAlarmElsewhere,
    /// A function's log lies in no group of the template, or is kept for ever.
    FunctionWithoutLog,
    /// A function has a variable that it does not read.
    VariableNotRead,
    /// A function lacks a variable that it needs.
    VariableNotSet,
    /// A function URL asks nobody who they are.
    OpenUrl,
    /// A function is not built by `infra/Makefile` for arm64.
    BuiltElsewhere,
    /// An alarm tells nobody.
    SilentAlarm,
    /// An alarm or the dashboard shows a metric that nobody writes.
    UnknownMetric,
    /// Nothing uses a resource.
    UnusedResource,
    /// An output that the command line reads is not there.
    OutputMissing,
}

/// A rule that is broken, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Which.
    pub rule: Rule,
    /// Logical id.
    pub resource: String,
    /// What is wrong there.
    pub what: String,
}

impl Finding {
    fn new(rule: Rule, resource: &str, what: impl Into<String>) -> Self {
        Self { rule, resource: resource.to_owned(), what: what.into() }
    }
}

/// Every rule that the template breaks. `variables` is what each function reads, by logical id; a function that is not in
/// it is not asked about variables.
pub fn check(template: &Template, variables: &BTreeMap<String, VariablesRead>) -> Vec<Finding> {
    let mut found = Vec::new();
    permissions::check(template, &mut found);
    exactly_once::check(template, &mut found);
    storage::check(template, &mut found);
    functions::check(template, variables, &mut found);
    alarms::check(template, &mut found);
    usage::check(template, &mut found);
    found.sort();
    found
}
