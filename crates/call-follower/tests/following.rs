//! Files that grow, are rotated, cut and compressed, while who follows them dies at every possible moment.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use call_files::ReadOptions;
use call_follower::{FollowError, Follower, Notice, Settings, Step};
use cdr::NumberPlan;
use tempfile::TempDir;

/// Longer than a file that was rotated away has to be quiet, in milliseconds.
const LONG: i64 = 60_000;

/// A folder with a file that is followed, and a stream.
struct World {
    folder: TempDir,
    plan: Arc<NumberPlan>,
    now_ms: i64,
    /// What was put, each time it was.
    stream: Vec<String>,
    notices: Vec<Notice>,
    refused: usize,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plan = Arc::new(NumberPlan::new("US").unwrap());
        Self { folder, plan, now_ms: 1_795_000_000_000, stream: Vec::new(), notices: Vec::new(), refused: 0 }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self) -> Follower {
        self.try_start("test").unwrap()
    }

    fn try_start(&self, name: &str) -> Result<Follower, FollowError> {
        let settings = Settings {
            plan: Arc::clone(&self.plan),
            options: ReadOptions::default(),
            linger_ms: 10_000,
            name: name.to_owned(),
        };
        Follower::start(&[self.at("calls.jsonl")], &self.at("state/resume.json"), settings)
    }

    /// A look; what it gives is put.
    fn put(&mut self, follower: &mut Follower) -> Step {
        let step = follower.next(self.now_ms).unwrap();
        self.stream.extend(step.calls.iter().map(cdr::CallRecord::to_json));
        self.notices.extend(step.notices.iter().cloned());
        self.refused += step.refused.len();
        step
    }

    /// Looks until there is nothing more, also after a while.
    fn drain(&mut self, follower: &mut Follower) {
        let mut quiet = 0;
        while quiet < 3 {
            let step = self.put(follower);
            follower.confirm();
            quiet = if step.calls.is_empty() && !step.is_full { quiet + 1 } else { 0 };
            self.now_ms += LONG;
        }
    }

    fn stream_ids(&self) -> Vec<&str> {
        self.stream.iter().map(|call| id_of(call)).collect()
    }
}

fn id_of(call: &str) -> &str {
    call.split('"').skip_while(|part| *part != "call_id").nth(2).unwrap()
}

fn row(id: &str) -> String {
    format!(
        r#"{{"call_id":"{id}","caller":"+12025550101","callee":"+442079460000","started_at":"2026-11-20T10:00:00Z","ended_at":"2026-11-20T10:00:09Z","outcome":"busy"}}"#
    ) + "\n"
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_file_that_is_not_there_yet_is_waited_for_and_its_rows_are_taken_when_they_are_whole() {
    let mut world = World::new();
    let path = world.at("calls.jsonl");
    let mut follower = world.start();
    world.drain(&mut follower);
    assert_eq!(world.notices, [Notice::Waiting { path: path.clone() }], "told once");
    File::create(&path).unwrap();
    world.drain(&mut follower);
    let second = row("b");
    let (begun, rest) = second.split_at(30);
    append(&path, &(row("a") + begun));
    world.drain(&mut follower);
    assert_eq!(world.stream_ids(), ["a"]);
    append(&path, rest);
    append(&path, &format!("no call\n{}", row("c")));
    world.drain(&mut follower);
    assert_eq!(world.stream_ids(), ["a", "b", "c"]);
    assert_eq!((world.refused, world.notices.len()), (1, 1));
}

#[test]
fn a_file_that_was_renamed_is_finished_before_the_new_one() {
    let mut world = World::new();
    let path = world.at("calls.jsonl");
    append(&path, &row("a"));
    let mut follower = world.start();
    world.drain(&mut follower);
    fs::rename(&path, world.at("calls.jsonl.1")).unwrap();
    append(&path, &row("d"));
    world.put(&mut follower);
    follower.confirm();
    // The switch has not been told yet that its file was rotated, and ends with a row without an end.
    append(&world.at("calls.jsonl.1"), &row("b"));
    world.now_ms += 4_000;
    world.put(&mut follower);
    follower.confirm();
    append(&world.at("calls.jsonl.1"), row("c").trim_end());
    world.drain(&mut follower);
    append(&path, &row("e"));
    world.drain(&mut follower);
    assert_eq!(world.stream_ids(), ["a", "b", "c", "d", "e"]);
    assert_eq!(world.notices, [Notice::Rotated { path }]);
}

#[test]
fn of_a_file_that_was_copied_and_emptied_the_copy_is_finished() {
    let mut world = World::new();
    let path = world.at("calls.jsonl");
    append(&path, &row("a"));
    let mut follower = world.start();
    world.drain(&mut follower);
    append(&path, &row("b"));
    fs::copy(&path, world.at("calls.jsonl.1")).unwrap();
    OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
    // As long as before, or longer.
    append(&path, &(row("c") + &row("d") + &row("e")));
    world.drain(&mut follower);
    assert_eq!(world.stream_ids(), ["a", "b", "c", "d", "e"]);
    let copy = Some(world.at("calls.jsonl.1"));
    let emptied = Notice::Emptied { path: path.clone(), copy, read_to: row("a").len() as u64 };
    assert_eq!(world.notices, [emptied, Notice::Rotated { path: path.clone() }]);

    // Without a copy, it is said.
    OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
    world.drain(&mut follower);
    append(&path, &row("f"));
    world.drain(&mut follower);
    assert_eq!(world.stream_ids().last(), Some(&"f"));
    assert!(matches!(world.notices[2..], [Notice::Emptied { copy: None, .. }]), "{:?}", world.notices);
}

#[test]
fn what_was_not_confirmed_comes_again_and_nothing_else() {
    let mut world = World::new();
    let path = world.at("calls.jsonl");
    append(&path, &(row("a") + &row("b")));
    let mut follower = world.start();
    world.drain(&mut follower);
    append(&path, &row("c"));
    // Handed out, and perhaps put, before the end.
    let step = world.put(&mut follower);
    assert_eq!(step.calls.len(), 1);
    drop(follower);
    append(&path, &row("d"));
    let mut follower = world.start();
    world.drain(&mut follower);
    assert_eq!(world.stream_ids(), ["a", "b", "c", "c", "d"]);
    assert_eq!(world.stream[2], world.stream[3]);
    drop(follower);
    let mut follower = world.start();
    world.drain(&mut follower);
    assert_eq!(world.stream.len(), 5, "what was confirmed and noted does not come again");
}

#[test]
fn rotations_while_nobody_looked_are_made_up_for() {
    let mut world = World::new();
    let path = world.at("calls.jsonl");
    append(&path, &row("a"));
    append(&world.at("calls.jsonl.7"), &row("old"));
    let mut follower = world.start();
    world.drain(&mut follower);
    drop(follower);
    append(&path, &row("b"));
    set_modified(&path, 1_000);
    fs::rename(&path, world.at("calls.jsonl.2")).unwrap();
    append(&world.at("calls.jsonl.1"), &row("c"));
    set_modified(&world.at("calls.jsonl.1"), 2_000);
    set_modified(&world.at("calls.jsonl.7"), 500);
    append(&path, &row("d"));
    let mut follower = world.start();
    world.drain(&mut follower);
    assert_eq!(world.stream_ids(), ["a", "b", "c", "d"]);
    assert!(!world.notices.iter().any(Notice::is_loss), "{:?}", world.notices);
}

#[test]
fn what_is_gone_or_compressed_is_told_of() {
    let mut world = World::new();
    let path = world.at("calls.jsonl");
    append(&path, &row("a"));
    let mut follower = world.start();
    world.drain(&mut follower);
    drop(follower);
    fs::remove_file(&path).unwrap();
    fs::write(world.at("calls.jsonl.1.gz"), [0x1F, 0x8B, 8, 0]).unwrap();
    append(&path, &row("b"));
    let mut follower = world.start();
    world.drain(&mut follower);
    assert_eq!(world.stream_ids(), ["a", "b"]);
    let from = row("a").len() as u64;
    let expected =
        [Notice::Lost { path: path.clone(), from, rows: 0 }, Notice::Packed { path: world.at("calls.jsonl.1.gz") }];
    assert_eq!(world.notices, expected);
    drop(follower);
    world.notices.clear();
    let mut follower = world.start();
    world.drain(&mut follower);
    assert!(matches!(world.notices[..], [Notice::Resumed { .. }]), "told once: {:?}", world.notices);
}

#[test]
fn what_cannot_be_followed_is_refused() {
    let world = World::new();
    let path = world.at("calls.jsonl");
    fs::write(&path, [0x1F, 0x8B, 8, 0]).unwrap();
    let mut follower = world.start();
    assert!(matches!(follower.next(0), Err(FollowError::NotPlain { .. })));
    assert!(matches!(world.try_start("test"), Err(FollowError::InUse { .. })));
    drop(follower);
    fs::write(&path, row("a")).unwrap();
    world.start().next(0).unwrap();
    assert!(matches!(world.try_start("other"), Err(FollowError::OtherSettings { .. })));
    fs::write(world.at("state/resume.json"), "{}").unwrap();
    assert!(matches!(world.try_start("test"), Err(FollowError::NoResume { .. })));
}

/// A leg of Asterisk's that ended at a second of 10:00; legs of the same link are one call.
fn leg(link: &str, sequence: u32, ended: u32) -> String {
    let time = |second: u32| format!("2026-11-20 10:00:{second:02}");
    let (start, end) = (time(0), time(ended));
    format!(
        r#""","2025550101","1001","from-trunk","","PJSIP/t-0000000{sequence}","","Dial","","{start}","{start}","{end}",{ended},{ended},"ANSWERED","DOCUMENTATION","u-{sequence}.1","","","{link}","{sequence}""#
    ) + "\n"
}

/// The names and ends of calls.
fn told(calls: &[String]) -> Vec<(String, String)> {
    let plan = NumberPlan::new("US").unwrap();
    let call = |call: &String| {
        let call = cdr::parse(&plan, call.as_bytes()).unwrap().record;
        (call.call_id.to_string(), cdr::format_time(call.ended_at_ms)[14..19].to_owned())
    };
    calls.iter().map(call).collect()
}

#[test]
fn legs_wait_for_each_other_across_kills_and_make_the_same_call_again() {
    let mut world = World::new();
    let path = world.at("calls.jsonl");
    let at = |second: i64| cdr::parse_time("2026-11-20T10:00:00Z").unwrap() + second * 1_000;
    world.now_ms = at(5);
    append(&path, &(leg("x.1", 1, 5) + &leg("y.1", 2, 5)));
    let mut follower = world.start();
    assert!(world.put(&mut follower).calls.is_empty());
    drop(follower);
    // One of the two gets another leg, whose other leg was read by one who is dead.
    append(&path, &leg("x.1", 3, 9));
    world.now_ms = at(9);
    let mut follower = world.start();
    assert!(world.put(&mut follower).calls.is_empty());
    world.now_ms = at(15);
    assert_eq!(world.put(&mut follower).calls.len(), 1);
    follower.confirm();
    // The other is put by one who dies before that is noted, and one more leg would change it if it were made anew.
    world.now_ms = at(19);
    assert_eq!(world.put(&mut follower).calls.len(), 1);
    drop(follower);
    append(&path, &leg("x.1", 4, 12));
    let mut follower = world.start();
    world.put(&mut follower);
    follower.confirm();
    let expected = [("y.1", "00:05"), ("x.1", "00:09"), ("x.1", "00:09")];
    assert_eq!(told(&world.stream), expected.map(|(id, end)| (id.to_owned(), end.to_owned())));
    assert_eq!(world.stream[1], world.stream[2]);
}

/// Seeded numbers.
struct Dice(u64);

impl Dice {
    /// A number below `bound`, by splitmix64.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }
}

/// A switch that writes piecewise and is rotated, and a follower that dies before it puts, after it has put and before
/// that is noted, and in between: every call is on the stream, and every copy of it is the same.
#[test]
fn whatever_happens_every_call_arrives_and_every_copy_is_the_same() {
    for seed in 0..40 {
        let mut world = World::new();
        let path = world.at("calls.jsonl");
        let mut dice = Dice(seed);
        // What was rotated away before anybody looked is not followed.
        append(&path, &row("first"));
        let mut looking = world.start();
        world.put(&mut looking);
        looking.confirm();
        let mut follower = Some(looking);
        let (mut written, mut pending, mut rotations) = (BTreeSet::from(["first".to_owned()]), String::new(), 0);
        for _ in 0..60 {
            world.now_ms += dice.below(8_000) as i64;
            match dice.below(10) {
                0..=3 => {
                    let id = format!("c{}", written.len());
                    pending += &row(&id);
                    written.insert(id);
                    let bytes = dice.below(pending.len() as u64 + 1) as usize;
                    append(&path, &pending[..bytes]);
                    pending.drain(..bytes);
                }
                4 => {
                    // The switch ends its row before it opens the new file.
                    append(&path, &std::mem::take(&mut pending));
                    rotations += 1;
                    let old = world.at(&format!("calls.jsonl.{rotations}"));
                    if dice.below(2) == 0 {
                        fs::rename(&path, &old).unwrap();
                    } else {
                        fs::copy(&path, &old).unwrap();
                        OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
                    }
                }
                5 => follower = None,
                _ => {
                    let mut looking = follower.take().unwrap_or_else(|| world.start());
                    if dice.below(4) == 0 {
                        // Noted, and not put.
                        drop(looking.next(world.now_ms).unwrap());
                    } else {
                        world.put(&mut looking);
                        if dice.below(4) > 0 {
                            looking.confirm();
                            follower = Some(looking);
                        }
                    }
                }
            }
        }
        append(&path, &pending);
        let mut last = follower.unwrap_or_else(|| world.start());
        world.drain(&mut last);
        let records: BTreeSet<&str> = world.stream.iter().map(String::as_str).collect();
        let ids: BTreeSet<&str> = world.stream_ids().into_iter().collect();
        let expected: BTreeSet<&str> = written.iter().map(String::as_str).collect();
        assert_eq!(ids, expected, "seed {seed}: {:?}", world.notices);
        assert_eq!(records.len(), ids.len(), "seed {seed}: copies differ");
    }
}

fn set_modified(path: &Path, seconds: u64) {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_795_000_000 + seconds);
    File::options().append(true).open(path).unwrap().set_modified(at).unwrap();
}
