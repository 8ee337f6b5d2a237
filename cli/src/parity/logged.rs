//! Answers as the service logged them, or as `tollwatch get --json` printed them: one JSON object a line.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};

use ::features::Level;
use anyhow::{Context as _, anyhow};
use proto::v1;
use serde_json::Value;

use crate::failure::{Blame as _, Failure};

/// One answer.
#[derive(Debug)]
pub(super) struct Logged {
    /// Number of its line, from 1.
    pub(super) line: u64,
    /// What the service's clock said, in milliseconds since 1970 UTC; only its log says so.
    pub(super) answered_at_ms: Option<i64>,
    /// Before when the stream was not counted, where the answer reaches back further, in milliseconds since 1970 UTC.
    pub(super) not_counted_before_ms: Option<i64>,
    pub(super) level: Level,
    pub(super) as_of_ms: i64,
    pub(super) response: v1::GetFeaturesResponse,
}

/// The answers of a file.
pub(super) struct Log {
    path: PathBuf,
    lines: Lines<BufReader<File>>,
    line: u64,
}

impl Log {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display())).or_user()?;
        Ok(Self { path: path.to_owned(), lines: BufReader::new(file).lines(), line: 0 })
    }

    /// The next `count` answers, or what is left.
    pub(super) fn next(&mut self, count: usize) -> Result<Vec<Logged>, Failure> {
        let mut answers = Vec::new();
        while answers.len() < count {
            let Some(line) = self.lines.next() else { break };
            self.line += 1;
            let place = || format!("{}, line {}", self.path.display(), self.line);
            let line = line.with_context(place).or_user()?;
            if !line.trim_ascii().is_empty() {
                answers.push(parse(&line, self.line).with_context(place).or_user()?);
            }
        }
        Ok(answers)
    }
}

/// Nothing that stands in the line is repeated: it holds a number.
fn parse(line: &str, number: u64) -> anyhow::Result<Logged> {
    const WANTED: &str = "a line of an answer log, or of `tollwatch get --json`";
    let mut object: Value = serde_json::from_str(line).map_err(|_| anyhow!("is no JSON object: wants {WANTED}"))?;
    let moment = |name: &str| match &object[name] {
        Value::Null => Ok(None),
        Value::String(text) => cdr::parse_time(text).map(Some).ok_or(()),
        _ => Err(()),
    };
    let times = moment("answered_at").and_then(|at| Ok((at, moment("not_counted_before")?)));
    let (answered_at_ms, not_counted_before_ms) = times.map_err(|()| anyhow!("names no time: wants {WANTED}"))?;
    let response = if object.get("response").is_some() { object["response"].take() } else { object };
    let response: v1::GetFeaturesResponse =
        serde_json::from_value(response).map_err(|_| anyhow!("holds no answer: wants {WANTED}"))?;
    let level = match response.entity.level.as_known() {
        Some(v1::Level::LEVEL_PHONE) => Level::Phone,
        Some(v1::Level::LEVEL_PREFIX) => Level::Prefix,
        Some(v1::Level::LEVEL_RANGE) => Level::Range,
        _ => return Err(anyhow!("does not say what was answered for: wants {WANTED}")),
    };
    let as_of = response.as_of.as_option().and_then(proto::to_millis);
    let as_of_ms = as_of.ok_or_else(|| anyhow!("does not say when was answered for: wants {WANTED}"))?;
    Ok(Logged { line: number, answered_at_ms, not_counted_before_ms, level, as_of_ms, response })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ANSWER: &str = r#"{"entity":{"level":"LEVEL_PHONE","key":"+12025550101"},"featureSetVersion":"v","asOf":"2026-11-21T07:06:05.004Z","values":[{"id":"calls_5m","party":"PARTY_CALLER","integer":"7","exact":true}]}"#;

    #[test]
    fn both_forms_are_read() {
        let bare = parse(ANSWER, 3).unwrap();
        assert_eq!((bare.line, bare.answered_at_ms, bare.as_of_ms), (3, None, 1_795_244_765_004));
        assert_eq!(bare.response.values[0].value, Some(v1::Value::Integer(7)));
        let line = format!(
            r#"{{"answered_at":"2026-11-21T07:06:06.004Z","not_counted_before":"2026-11-21T07:00:00Z","response":{ANSWER}}}"#
        );
        let logged = parse(&line, 1).unwrap();
        assert_eq!(logged.answered_at_ms, Some(1_795_244_766_004));
        assert_eq!(logged.not_counted_before_ms, Some(1_795_244_400_000));
        assert_eq!(logged.response, bare.response);
    }

    #[test]
    fn what_is_no_answer_is_refused_without_repeating_it() {
        for line in [
            "what is this +12025550101".to_owned(),
            "[]".to_owned(),
            "{}".to_owned(),
            r#"{"number":"+12025550101"}"#.to_owned(),
            ANSWER.replace("LEVEL_PHONE", "LEVEL_UNSPECIFIED"),
            ANSWER.replace("asOf", "when"),
            format!(r#"{{"answered_at":"noon","response":{ANSWER}}}"#),
        ] {
            let said = format!("{:#}", parse(&line, 1).unwrap_err());
            assert!(said.contains("wants a line of an answer log"), "{said}");
            assert!(!said.contains("0101"), "{said}");
        }
    }
}
