//! `tollwatch up` as a user has it: started, asked in three ways, stopped by Ctrl-C, started again.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use call_files::{ReadError, ReadOptions};
use cdr::NumberPlan;
use serde_json::{Value, json};

/// How long anything may take: far longer than it does, on a machine with other work.
const PATIENCE: Duration = Duration::from_mins(2);

/// A system that is up. Killed where a test fails.
struct Up {
    child: Child,
    lines: Receiver<String>,
    url: String,
    metrics: String,
    /// Numbers that call, as it names them.
    numbers: Vec<String>,
}

impl Up {
    fn start(folder: &Path) -> Self {
        let mut child = tests::tollwatch()
            .args(["up", "--port", "0", "--rate", "20", "--subscribers", "40", "--no-history", "--folder"])
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut up = Self { child, lines, url: String::new(), metrics: String::new(), numbers: Vec::new() };
        loop {
            let line = up.lines.recv_timeout(PATIENCE).expect("it does not come up");
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["service", url, ..] => url.clone_into(&mut up.url),
                ["metrics", url, ..] => url.clone_into(&mut up.metrics),
                ["tollwatch", "get", number, ..] => up.numbers.push(number.to_owned()),
                ["Ctrl-C", ..] => return up,
                _ => {}
            }
        }
    }

    fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// Ctrl-C; what it says at the end.
    fn interrupt(mut self) -> String {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let mut said = String::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            said += &line;
            said.push('\n');
        }
        let status = self.child.try_wait().unwrap().unwrap_or_else(|| self.child.wait().unwrap());
        assert_eq!(status.code(), Some(0), "{said}");
        said
    }

    fn get(&self, number: &str) -> Value {
        let arguments = ["get", number, "--party", "caller", "--json", "--url", &self.url];
        let output = tests::tollwatch().args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What `curl` does.
    fn post(&self, number: &str) -> Value {
        let body = json!({"number": number, "party": "PARTY_CALLER"}).to_string();
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "POST /tollwatch.v1.FeatureService/GetFeatures HTTP/1.0\r\nhost: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.address(),
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{answer}");
        serde_json::from_str(body).unwrap()
    }

    /// What Prometheus does.
    fn scrape(&self) -> String {
        let path = self.metrics.strip_prefix(&self.url).unwrap();
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nhost: {}\r\n\r\n", self.address()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
        answer
    }

    /// Asks until the number has made that many calls.
    fn wait_for_calls(&self, number: &str, calls: i64) -> i64 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let counted = calls_24h(&self.get(number));
            if counted >= calls {
                return counted;
            }
            assert!(Instant::now() < deadline, "{counted} calls of {calls}");
        }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn calls_24h(response: &Value) -> i64 {
    let values = response["values"].as_array().unwrap();
    let calls = values.iter().find(|value| value["id"] == "calls_24h").unwrap();
    // Protobuf's JSON has 64 bits as text, and leaves out nothing of a oneof.
    calls["integer"].as_str().unwrap_or("0").parse().unwrap()
}

/// The response without what moves with the clock.
fn without_times(mut response: Value) -> Value {
    response.as_object_mut().unwrap().remove("asOf");
    for value in response["values"].as_array_mut().unwrap() {
        let value = value.as_object_mut().unwrap();
        value.remove("windowStart");
        value.remove("windowEnd");
        // Calls a minute: the part of the minute that is over counts.
        if value["id"].as_str().unwrap().starts_with("velocity") {
            value.remove("number");
        }
    }
    response
}

fn run(arguments: &[&str]) -> Output {
    tests::tollwatch().args(arguments).output().unwrap()
}

#[track_caller]
fn refused(arguments: &[&str], words: &[&str]) {
    let output = run(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{arguments:?}: {word:?} is not in: {said}");
    }
}

/// The numbers of the line that begins with a word.
fn numbers_of(said: &str, word: &str) -> Vec<u64> {
    let line = said.lines().find(|line| line.starts_with(word)).unwrap_or_else(|| panic!("{said}"));
    line.split_whitespace().filter_map(|word| word.replace(',', "").parse().ok()).collect()
}

fn archive_files(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.join("raw")]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}

/// Calls, copies among them, and broken records.
fn archived(folder: &Path) -> (u64, u64) {
    let plan = NumberPlan::new("US").unwrap();
    let (mut calls, mut broken) = (0, 0);
    for file in archive_files(folder) {
        for row in call_files::open(&file, &plan, &ReadOptions::default()).unwrap() {
            match row {
                Ok(_) => calls += 1,
                Err(ReadError::Row(_)) => broken += 1,
                Err(ReadError::File(error)) => panic!("{error}"),
            }
        }
    }
    (calls, broken)
}

#[test]
fn calls_are_counted_answered_archived_and_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let up = Up::start(&state);
    let number = up.numbers[0].clone();
    up.wait_for_calls(&number, 5);

    // Between two answers that are the same, a third one is the same too.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = up.get(&number);
        let between = up.post(&number);
        let after = up.get(&number);
        let calls = [&before, &between, &after].map(calls_24h);
        assert!(calls.is_sorted(), "{calls:?}");
        if without_times(before.clone()) == without_times(after) {
            assert_eq!(without_times(between), without_times(before));
            break;
        }
        assert!(Instant::now() < deadline, "the answers never agree");
    }

    let scraped = up.scrape();
    let sample = |name: &str| -> f64 {
        let line = scraped.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {scraped}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(sample("tollwatch_calls_counted_total") >= 5.0);
    assert!(sample("tollwatch_write_units_total") >= 5.0);
    assert!(sample("tollwatch_requests_total{method=\"get_features\",code=\"ok\"}") >= 3.0);
    assert!(!scraped.contains(&number[1..]), "no number is in a metric");

    let shown = state.to_str().unwrap();
    refused(&["up", "--folder", shown, "--port", "0"], &["in use", "tiles.sqlite"]);
    let port = up.address().rsplit_once(':').unwrap().1;
    let other = folder.path().join("other");
    refused(&["up", "--folder", other.to_str().unwrap(), "--port", port], &["in use", port]);
    refused(&["get", "no number", "--url", &up.url], &["number of 9 bytes"]);
    refused(&["get", &number, "--features", "cals_24h", "--url", &up.url], &["nearest", "calls_24h"]);
    refused(&["top", "calls_7d", "--data", shown], &["no snapshot", "tollwatch batch"]);

    let url = up.url.clone();
    let counted = up.wait_for_calls(&number, 6);
    let said = up.interrupt();
    refused(&["get", &number, "--url", &url], &["no service answers", "tollwatch up"]);
    let sent = numbers_of(&said, "sent");
    assert_eq!(sent, numbers_of(&said, "counted"), "{said}");
    let [calls, duplicates, broken] = sent[..] else { panic!("{said}") };
    assert_eq!(archived(&state), (calls + duplicates, broken));

    let again = Up::start(&state);
    assert!(again.numbers.contains(&number));
    assert!(again.wait_for_calls(&number, counted + 1) > counted);
    let said = again.interrupt();
    assert_eq!(numbers_of(&said, "sent"), numbers_of(&said, "counted"), "{said}");
}

#[test]
fn a_folder_that_cannot_be_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "calls").unwrap();
    refused(&["up", "--port", "0", "--folder", file.to_str().unwrap()], &["cannot write to the folder", "--folder"]);
    refused(&["up", "--rate", "0"], &["calls a second"]);
    refused(&["up", "--batch-every", "1"], &["15m"]);
}
