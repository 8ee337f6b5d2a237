//! What was found, a line a check.

use std::fmt::Write as _;

use serde_json::json;

/// What is to be said of one thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should be, and how.
    Right(String),
    /// Not as it should be, and what to do.
    Wrong { what: String, remedy: String },
    /// Why it could not be looked at, or did not need to be.
    NotChecked(String),
}

impl Verdict {
    /// Something is wrong.
    pub(super) fn wrong(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Wrong { what: what.into(), remedy: remedy.into() }
    }

    /// What is wrong, all in one; else that everything is as told.
    pub(super) fn of_faults(faults: Vec<Fault>, right: impl Into<String>) -> Self {
        if faults.is_empty() {
            return Self::Right(right.into());
        }
        let join = |texts: Vec<String>| {
            let mut different: Vec<String> = Vec::new();
            texts.into_iter().for_each(|text| {
                if !different.contains(&text) {
                    different.push(text);
                }
            });
            different.join("; ")
        };
        let (what, remedies) = faults.into_iter().map(|fault| (fault.what, fault.remedy)).unzip();
        Self::Wrong { what: join(what), remedy: join(remedies) }
    }

    const fn word(&self) -> &'static str {
        match self {
            Self::Right(_) => "ok",
            Self::Wrong { .. } => "wrong",
            Self::NotChecked(_) => "not checked",
        }
    }
}

/// One of several things that are wrong in a check.
#[derive(Debug)]
pub(super) struct Fault {
    what: String,
    remedy: String,
}

impl Fault {
    /// What is wrong, and what to do.
    pub(super) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }
}

/// All checks, in the order in which they are told.
#[derive(Debug, Default)]
pub(super) struct Report {
    checks: Vec<(String, Verdict)>,
}

impl Report {
    /// Adds one.
    pub(super) fn add(&mut self, name: impl Into<String>, verdict: Verdict) {
        self.checks.push((name.into(), verdict));
    }

    /// How many are wrong.
    pub(super) fn wrong(&self) -> usize {
        self.checks.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Wrong { .. })).count()
    }

    /// For people.
    pub(super) fn as_text(&self) -> String {
        let mut text = String::new();
        for (name, verdict) in &self.checks {
            let (what, remedy) = parts(verdict);
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name:<22} {:<12} {what}", verdict.word());
            if let Some(remedy) = remedy {
                let _ = writeln!(text, "{:<35} do: {remedy}", "");
            }
        }
        let count = |word| self.checks.iter().filter(|(_, verdict)| verdict.word() == word).count();
        let _ =
            writeln!(text, "\n{} ok, {} wrong, {} not checked", count("ok"), count("wrong"), count("not checked"));
        text
    }

    /// For programs.
    pub(super) fn as_json(&self) -> serde_json::Value {
        let check = |(name, verdict): &(String, Verdict)| {
            let (what, remedy) = parts(verdict);
            json!({ "check": name, "verdict": verdict.word(), "what": what, "do": remedy })
        };
        let checks: Vec<_> = self.checks.iter().map(check).collect();
        json!({ "ok": self.wrong() == 0, "checks": checks })
    }
}

fn parts(verdict: &Verdict) -> (&str, Option<&str>) {
    match verdict {
        Verdict::Right(what) | Verdict::NotChecked(what) => (what, None),
        Verdict::Wrong { what, remedy } => (what, Some(remedy)),
    }
}
