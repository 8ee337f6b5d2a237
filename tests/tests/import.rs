//! `tollwatch import` onto the stream of a running system: every format counted once, and a followed file through kills.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// How long anything may take: far longer than it does, on a machine with other work.
const PATIENCE: Duration = Duration::from_mins(2);

/// A system that is up. Killed where a test fails.
struct Up {
    child: Child,
    url: String,
    kinesis: String,
    /// Where it takes call records over HTTP.
    ingest: String,
    /// Kept open: what it says at its end must not fail it.
    _lines: Receiver<String>,
}

impl Up {
    fn start(folder: &Path) -> Self {
        let mut child = tests::tollwatch()
            .args([
                "up",
                "--port",
                "0",
                "--ingest-port",
                "0",
                "--rate",
                "1",
                "--subscribers",
                "40",
                "--no-history",
                "--folder",
            ])
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let (mut url, mut kinesis, mut ingest) = (String::new(), String::new(), String::new());
        loop {
            let line: String = lines.recv_timeout(PATIENCE).expect("it does not come up");
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["service", found, ..] => found.clone_into(&mut url),
                ["Kinesis", found, ..] => found.clone_into(&mut kinesis),
                ["POST", .., found] => found.clone_into(&mut ingest),
                ["Ctrl-C", ..] => return Self { child, url, kinesis, ingest, _lines: lines },
                _ => {}
            }
        }
    }

    /// What the service says of a caller.
    fn calls_24h(&self, number: &str) -> i64 {
        let arguments = ["get", number, "--party", "caller", "--features", "calls_24h", "--json", "--url", &self.url];
        let output = tests::tollwatch().args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let response: Value = serde_json::from_slice(&output.stdout).unwrap();
        // Protobuf's JSON has 64 bits as text.
        response["values"][0]["integer"].as_str().unwrap_or("0").parse().unwrap()
    }

    /// Asks until the caller has that many calls, and never more.
    #[track_caller]
    fn wait_for(&self, number: &str, calls: i64, of: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let counted = self.calls_24h(number);
            assert!(counted <= calls, "{of}: {counted} calls, and there are {calls}");
            if counted == calls {
                return;
            }
            assert!(Instant::now() < deadline, "{of}: {counted} calls of {calls}");
        }
    }

    /// Posts a record, and gives the status of the answer.
    fn post(&self, record: &str) -> u16 {
        let (host, path) = self.ingest.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut connection = TcpStream::connect(host).unwrap();
        let request = format!(
            "POST /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{record}",
            record.len()
        );
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn stream(&self) -> [&str; 4] {
        ["--stream", "tollwatch-calls", "--endpoint-url", &self.kinesis]
    }

    fn import(&self, file: &Path, flags: &[&str]) -> String {
        let output = tests::tollwatch().arg("import").arg(file).args(self.stream()).args(flags).output().unwrap();
        tests::said("import", output)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn now_secs() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// A call of a number as a JSON line, that began some seconds ago.
fn line(number: &str, id: &str, ago: i64) -> String {
    let began = cdr::format_time((now_secs() - ago) * 1_000);
    format!(
        r#"{{"call_id":"{id}","caller":"{number}","callee":"+442079460000","started_at":"{began}","ended_at":"{began}","outcome":"busy"}}"#
    ) + "\n"
}

/// A text with every time in it moved by so many seconds: `2026-11-21 07:06:05`, also encoded for a URL,
/// `Tue, 01 Dec 2026 10:00:00`, and seconds and microseconds since 1970.
fn moved(text: &str, by_secs: i64) -> String {
    let (mut moved, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let is_inside = moved.ends_with(|last: char| last.is_ascii_alphanumeric());
        let (time, len) = match (is_inside, time_at(rest, by_secs)) {
            (false, Some(found)) => found,
            _ => (first.to_string(), first.len_utf8()),
        };
        moved += &time;
        rest = &rest[len..];
    }
    moved
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// From the first day of 1970 on.
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// The time that a text begins with, moved, and how long it was.
fn time_at(text: &str, by_secs: i64) -> Option<(String, usize)> {
    let ms_of = |iso: &str| cdr::parse_time(iso);
    let moved_iso = |ms: i64| cdr::format_time(ms + by_secs * 1_000);
    for (separator, colon) in [(" ", ":"), ("T", ":"), ("%20", "%3A")] {
        let len = 10 + separator.len() + 6 + 2 * colon.len();
        if let Some(time) = text.get(..len)
            && time[10..].starts_with(separator)
            && let (date, clock) = (&time[..10], time[10 + separator.len()..].replace(colon, ":"))
            && let Some(ms) = ms_of(&format!("{date}T{clock}Z"))
        {
            let iso = moved_iso(ms);
            return Some((format!("{}{separator}{}", &iso[..10], iso[11..19].replace(':', colon)), len));
        }
    }
    if let Some(time) = text.get(..25)
        && DAYS.contains(&&time[..3])
        && let Some(month) = MONTHS.iter().position(|month| *month == &time[8..11])
        && let Some(ms) = ms_of(&format!("{}-{:02}-{}T{}Z", &time[12..16], month + 1, &time[5..7], &time[17..]))
    {
        let iso = moved_iso(ms);
        let day = DAYS[((ms + by_secs * 1_000).div_euclid(86_400_000) % 7) as usize];
        let month = MONTHS[iso[5..7].parse::<usize>().unwrap() - 1];
        return Some((format!("{day}, {} {month} {} {}", &iso[8..10], &iso[..4], &iso[11..19]), 25));
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = match digits {
        10 => 1,
        16 => 1_000_000,
        _ => return None,
    };
    let time: i64 = text[..digits].parse().unwrap();
    // Of these years, so that telephone numbers are none.
    (1_790_000_000..1_800_000_000).contains(&(time / unit)).then(|| ((time + by_secs * unit).to_string(), digits))
}

fn switch_file(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("crates/switch-records/testdata");
    fs::read_to_string(root.join(name)).unwrap()
}

/// What a carrier writes, and what its columns are.
const CARRIER: &str = "id;from;to;when;seconds;result\n\
                       a;+12025550101;+442079460000;2026-11-21 07:00:00;30;OK\n\
                       b;+12025550101;+442079460000;2026-11-21 07:01:00;0;Besetzt\n";
const MAPPING: &str = r#"
delimiter = ";"
time_format = "%Y-%m-%d %H:%M:%S"
[outcomes]
"OK" = "answered"
"Besetzt" = "busy"
[columns]
caller = "from"
callee = "to"
started_at = "when"
talk = "seconds"
outcome = "result"
call_id = "id"
"#;

/// Each format, and how many calls of `NUMBER` it has: with several rows a call, fewer than rows.
const NUMBER: &str = "+12025550101";

struct Case {
    /// The caller that is asked about.
    number: &'static str,
    name: &'static str,
    text: String,
    /// When it was written, as its own times have it.
    written: &'static str,
    flags: Vec<String>,
    calls: i64,
}

fn case(name: &'static str, written: &'static str, calls: i64) -> Case {
    Case { number: NUMBER, name, text: switch_file(name), written, flags: Vec::new(), calls }
}

#[test]
fn a_file_of_each_format_goes_through_the_stream_and_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(&folder.path().join("state"));
    let mut cases = vec![
        case("asterisk/custom.csv", "2026-11-21T07:10:00Z", 1),
        case("freeswitch_csv/example.csv", "2026-11-21T07:12:00Z", 1),
        case("freeswitch_json/legs.json", "2026-11-21T07:12:00Z", 1),
        case("twilio_json/calls.jsonl", "2026-12-01T10:10:00Z", 1),
        case("twilio_csv/console.csv", "2026-12-01T10:10:00Z", 1),
    ];
    let lines = line(NUMBER, "one", 0) + &line(NUMBER, "two", 0) + "no call\n";
    // Nobody else calls from this number.
    let cisco = case("cisco_cucm/cdr_StandAloneCluster_02_202612011000_1", "2026-12-01T10:20:00Z", 1);
    cases.push(Case { number: "+12025550105", ..cisco });
    cases.push(Case { number: NUMBER, name: "calls.jsonl", text: lines, written: "", flags: Vec::new(), calls: 2 });
    let mapping = folder.path().join("mapping.toml");
    fs::write(&mapping, MAPPING).unwrap();
    let flags = ["--mapping", mapping.to_str().unwrap()].map(str::to_owned).to_vec();
    cases.push(Case {
        number: NUMBER,
        name: "carrier.csv",
        text: CARRIER.to_owned(),
        written: "2026-11-21T07:02:00Z",
        flags,
        calls: 2,
    });
    let mut all = BTreeMap::new();
    for (place, Case { number, name, text, written, flags, calls }) in cases.into_iter().enumerate() {
        // Some share names of calls: in minutes of their own they are others.
        let at = now_secs() - 1_200 * (place as i64 + 1);
        let by_secs = cdr::parse_time(written).map_or(0, |ms| at - ms / 1_000);
        let file = folder.path().join(format!("{place}-{}", name.rsplit('/').next().unwrap()));
        fs::write(&file, moved(&text, by_secs)).unwrap();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let said = up.import(&file, &flags);
        assert!(said.contains("onto stream tollwatch-calls"), "{name}: {said}");
        let counted = all.entry(number).or_insert(0);
        *counted += calls;
        up.wait_for(number, *counted, name);
        // Again, and a call behind it on the same shard: what is there already does not count.
        up.import(&file, &flags);
        let mark = folder.path().join("mark.jsonl");
        fs::write(&mark, line(number, &format!("mark-{place}"), 60)).unwrap();
        up.import(&mark, &[]);
        *counted += 1;
        up.wait_for(number, *counted, name);
    }
}

#[test]
fn both_a_file_and_the_stream_have_the_calls() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(&folder.path().join("state"));
    let (file, made) = (folder.path().join("calls.jsonl"), folder.path().join("made.parquet"));
    let number = "+12025550177";
    let lines: String = (0..1_500).map(|n| line(number, &format!("c{n}"), 600)).collect();
    fs::write(&file, lines).unwrap();
    let said = up.import(&file, &["--output", made.to_str().unwrap()]);
    assert!(said.contains("calls    1,500, begun from") && said.contains("put      1,500 in"), "{said}");
    up.wait_for(number, 1_500, "both");
    let plan = cdr::NumberPlan::new("US").unwrap();
    let calls = call_files::open(&made, &plan, &call_files::ReadOptions::default()).unwrap();
    assert_eq!(calls.flatten().count(), 1_500);
}

/// `import --follow`, which runs until this is dropped or told to end.
struct Followed(Child);

impl Followed {
    fn start(up: &Up, folder: &Path, file: &Path) -> Self {
        let mut command = tests::tollwatch();
        command.arg("import").arg(file).args(up.stream()).args(["--follow", "--state", "resume.json"]);
        Self(command.current_dir(folder).stdout(Stdio::null()).spawn().unwrap())
    }

    /// SIGTERM; waits for its end.
    fn end(mut self) {
        let sent = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
        assert_eq!(self.0.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_followed_file_is_counted_exactly_through_kills_and_a_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let up = Up::start(&folder.join("state"));
    let (file, old): (PathBuf, PathBuf) = (folder.join("calls.jsonl"), folder.join("calls.jsonl.1"));
    let number = "+12025550188";
    let mut written = 0;
    let mut write = |calls: i64| {
        let mut to = OpenOptions::new().append(true).create(true).open(&file).unwrap();
        for _ in 0..calls {
            written += 1;
            to.write_all(line(number, &format!("c{written}"), 600).as_bytes()).unwrap();
        }
        written
    };
    for round in 0..4 {
        let before = write(700) - 700;
        let follower = Followed::start(&up, folder, &file);
        // Killed (-9) somewhere in the 700, and not at their end.
        let deadline = Instant::now() + PATIENCE;
        while up.calls_24h(number) <= before {
            assert!(Instant::now() < deadline, "round {round}: nothing arrives");
        }
        drop(follower);
        write(50);
        if round == 2 {
            // While nobody looks.
            fs::rename(&file, &old).unwrap();
        }
    }
    let follower = Followed::start(&up, folder, &file);
    let total = write(1);
    up.wait_for(number, total, "all rounds");
    follower.end();
    // What it noted at its end: nothing is put again, and what is new is.
    let follower = Followed::start(&up, folder, &file);
    let total = write(1);
    up.wait_for(number, total, "after the end");
    follower.end();
}

#[test]
fn calls_come_over_http_and_by_replay_and_count_once() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(&folder.path().join("state"));
    let record = line("+12025550111", "http", 60);
    assert_eq!([up.post(&record), up.post(&record), up.post("{}")], [202, 202, 400]);
    up.wait_for("+12025550111", 1, "over HTTP");

    // Calls of years ago, as if they were of now, with copies and out of order.
    let call = |n: u32| {
        let time = format!("2020-05-01T10:{:02}:{:02}Z", n / 60, n % 60);
        format!(
            r#"{{"call_id":"{n}","caller":"+12025550112","callee":"+442079460000","started_at":"{time}","ended_at":"{time}","outcome":"busy"}}"#
        ) + "\n"
    };
    let old = folder.path().join("old.jsonl");
    fs::write(&old, (0..200).map(call).collect::<String>()).unwrap();
    let mut replay = tests::tollwatch();
    replay.args(["replay", "--times", "now", "--duplicates", "0.3", "--disorder", "0.3", "--seed", "3", "--from"]);
    let said = tests::said("replay", replay.arg(&old).args(up.stream()).output().unwrap());
    assert!(said.contains("200 calls"), "{said}");
    up.wait_for("+12025550112", 200, "by replay");
}
