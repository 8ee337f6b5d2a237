//! What every format of a switch makes of bad input: what is refused, with which reason and line, and that all other rows
//! are read. A format joins by a row of [`formats`].
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use call_files::{FileError, Format, ReadError, ReadOptions, SwitchFormat, SwitchOptions, open};
use cdr::{NumberPlan, Reason};
use tempfile::TempDir;

static PLAN: LazyLock<NumberPlan> = LazyLock::new(|| NumberPlan::new("US").unwrap());

/// What is known of a format.
struct Known {
    format: SwitchFormat,
    /// The header, where files have one.
    header: Option<String>,
    /// Rows of three calls.
    rows: [String; 3],
    /// A row without some of its columns, and what it is refused for.
    columns_missing: (String, Reason),
    /// A row with a time that the zone of New York never had; `None` where times have a zone.
    impossible_time: Option<String>,
    /// A row whose counts contradict its times; `None` where there are none.
    contradiction: Option<(String, Reason)>,
    options: SwitchOptions,
}

fn formats() -> Vec<Known> {
    let new_york = SwitchOptions { zone: "America/New_York".to_owned(), ..SwitchOptions::default() };
    vec![
        asterisk(new_york.clone()),
        asterisk_custom(new_york.clone()),
        freeswitch_csv(new_york.clone()),
        freeswitch_json(new_york.clone()),
        cisco_cucm(new_york.clone()),
        twilio_json(new_york.clone()),
        twilio_csv(new_york.clone()),
        mapped_csv(new_york),
    ]
}

/// `{day}T02:30:00` in New York never was: clocks went from 2 to 3.
const GAP_DAY: &str = "2026-03-08";
const DAY: &str = "2026-12-01";

fn asterisk(options: SwitchOptions) -> Known {
    let row = |n: u32, day: &str, seconds: u32| {
        format!(
            "\"\",\"2025550101\",\"1001\",\"x\",\"\",\"SIP/gw-{n}\",\"\",\"Dial\",\"\",\"{day} 02:30:00\",,\
             \"{day} 02:30:10\",{seconds},0,\"BUSY\",\"DOCUMENTATION\",\"{n}.{n}\",\"\""
        )
    };
    Known {
        format: SwitchFormat::Asterisk,
        header: None,
        rows: [row(1, DAY, 10), row(2, DAY, 10), row(3, DAY, 10)],
        columns_missing: ("\"\",\"2025550101\",\"1001\"".to_owned(), Reason::Unparseable),
        impossible_time: Some(row(4, GAP_DAY, 10)),
        contradiction: Some((row(4, DAY, 100), Reason::BadDuration)),
        options,
    }
}

fn asterisk_custom(options: SwitchOptions) -> Known {
    let row = |n: u32, day: &str, seconds: u32| {
        format!("1001,2025550102,{day} 02:30:00,,{day} 02:30:10,{seconds},0,NO ANSWER,{n}.{n},{n}")
    };
    let columns = "src,dst,start,answer,end,duration,billsec,disposition,linkedid,sequence".to_owned();
    Known {
        format: SwitchFormat::Asterisk,
        header: None,
        rows: [row(1, DAY, 10), row(2, DAY, 10), row(3, DAY, 10)],
        columns_missing: ("1001,2025550102".to_owned(), Reason::Unparseable),
        impossible_time: Some(row(4, GAP_DAY, 10)),
        contradiction: Some((row(4, DAY, 100), Reason::BadDuration)),
        options: SwitchOptions { columns: Some(columns), ..options },
    }
}

fn freeswitch_csv(options: SwitchOptions) -> Known {
    let row = |n: u32, day: &str, seconds: u32| {
        format!(
            "\"A\",\"+12025550101\",\"1001\",\"public\",\"{day} 02:30:00\",\"{day} 02:30:04\",\"{day} 02:30:10\",\
             \"{seconds}\",\"6\",\"NORMAL_CLEARING\",\"00000000-0000-4000-8000-{n:012}\",\"\",\"\",\"PCMU\",\"PCMU\""
        )
    };
    Known {
        format: SwitchFormat::FreeswitchCsv,
        header: None,
        rows: [row(1, DAY, 10), row(2, DAY, 10), row(3, DAY, 10)],
        columns_missing: ("\"A\",\"+12025550101\",\"1001\"".to_owned(), Reason::Unparseable),
        impossible_time: Some(row(4, GAP_DAY, 10)),
        contradiction: Some((row(4, DAY, 100), Reason::BadDuration)),
        options,
    }
}

fn freeswitch_json(options: SwitchOptions) -> Known {
    let object = |n: u32, day: &str, seconds: u32, callflow: &str| {
        format!(
            "{{\"variables\":{{\"uuid\":\"u-{n}\",\"direction\":\"inbound\",\"start_stamp\":\"{day} 02:30:00\",\
             \"end_stamp\":\"{day} 02:30:10\",\"duration\":\"{seconds}\",\"hangup_cause\":\"USER_BUSY\"}}{callflow}}}"
        )
    };
    let numbers =
        ",\"callflow\":[{\"caller_profile\":{\"caller_id_number\":\"1001\",\"destination_number\":\"1002\"}}]";
    Known {
        format: SwitchFormat::FreeswitchJson,
        header: None,
        rows: [object(1, DAY, 10, numbers), object(2, DAY, 10, numbers), object(3, DAY, 10, numbers)],
        columns_missing: (object(4, DAY, 10, ""), Reason::Unparseable),
        impossible_time: Some(object(4, GAP_DAY, 10, numbers)),
        contradiction: Some((object(4, DAY, 100, numbers), Reason::BadDuration)),
        options,
    }
}

fn cisco_cucm(options: SwitchOptions) -> Known {
    let row = |n: u32, seconds: u32| {
        format!("1,2,{n},{n},1796119200,1001,0,0,16,1002,1002,1796119207,1796119267,{seconds},SEP0,Cluster")
    };
    let header = "cdrRecordType,globalCallID_callManagerId,globalCallID_callId,origLegCallIdentifier,\
                  dateTimeOrigination,callingPartyNumber,origIpAddr,origCause_value,destCause_value,\
                  originalCalledPartyNumber,finalCalledPartyNumber,dateTimeConnect,dateTimeDisconnect,duration,\
                  origDeviceName,globalCallId_ClusterID";
    Known {
        format: SwitchFormat::CiscoCucm,
        header: Some(header.to_owned()),
        rows: [row(1, 60), row(2, 60), row(3, 60)],
        columns_missing: ("1,2,4,4,1796119200".to_owned(), Reason::Unparseable),
        impossible_time: None,
        contradiction: Some((row(4, 600), Reason::BadDuration)),
        options,
    }
}

fn twilio_json(options: SwitchOptions) -> Known {
    let object = |n: u32, to: &str, seconds: u32| {
        format!(
            "{{\"sid\":\"CA{n:032}\",{to}\"from\":\"+12025550101\",\"status\":\"completed\",\
             \"start_time\":\"Tue, 01 Dec 2026 10:00:00 +0000\",\"end_time\":\"Tue, 01 Dec 2026 10:02:10 +0000\",\
             \"duration\":\"{seconds}\"}}"
        )
    };
    let to = "\"to\":\"+12025550102\",";
    Known {
        format: SwitchFormat::TwilioJson,
        header: None,
        rows: [object(1, to, 130), object(2, to, 130), object(3, to, 130)],
        columns_missing: (object(4, "", 130), Reason::MissingField),
        impossible_time: None,
        contradiction: Some((object(4, to, 1_300), Reason::BadDuration)),
        options,
    }
}

fn twilio_csv(options: SwitchOptions) -> Known {
    let row = |n: u32, day: &str, seconds: u32| {
        format!("CA{n:032},+12025550101,+12025550102,Completed,{day} 02:30:00,{day} 03:30:10,{seconds}")
    };
    Known {
        format: SwitchFormat::TwilioCsv,
        header: Some("Call Sid,From,To,Status,Start Time,End Time,Duration".to_owned()),
        rows: [row(1, DAY, 3_610), row(2, DAY, 3_610), row(3, DAY, 3_610)],
        columns_missing: (format!("CA{:032},+12025550101", 4), Reason::Unparseable),
        impossible_time: Some(row(4, GAP_DAY, 3_610)),
        contradiction: Some((row(4, DAY, 9_000), Reason::BadDuration)),
        options,
    }
}

fn mapped_csv(options: SwitchOptions) -> Known {
    let row = |n: u32, day: &str, seconds: u32| {
        format!("{n};2025550101;2025550102;{day} 02:30:00;{day} 02:30:10;{seconds};busy")
    };
    let mapping = "delimiter = \";\"\ntime_format = \"%Y-%m-%d %H:%M:%S\"\n[columns]\ncall_id = \"id\"\ncaller = \"a\"\n\
                   callee = \"b\"\nstarted_at = \"begin\"\nended_at = \"end\"\nduration = \"len\"\noutcome = \"why\"\n\
                   [outcomes]\nbusy = \"busy\"\n";
    Known {
        format: SwitchFormat::MappedCsv,
        header: Some("id;a;b;begin;end;len;why".to_owned()),
        rows: [row(1, DAY, 10), row(2, DAY, 10), row(3, DAY, 10)],
        columns_missing: ("4;2025550101".to_owned(), Reason::Unparseable),
        impossible_time: Some(row(4, GAP_DAY, 10)),
        contradiction: Some((row(4, DAY, 100), Reason::BadDuration)),
        options: SwitchOptions { mapping: Some(mapping.to_owned()), ..options },
    }
}

impl Known {
    /// The header and rows, `more` behind the first of them, each behind its own line end.
    fn lines(&self, more: Option<&str>) -> Vec<String> {
        let mut lines: Vec<String> = self.header.iter().cloned().collect();
        lines.extend(self.rows.iter().cloned());
        if let Some(more) = more {
            lines.insert(self.first() as usize, more.to_owned());
        }
        lines
    }

    fn text(&self, more: Option<&str>) -> String {
        self.lines(more).into_iter().map(|line| line + "\n").collect()
    }

    /// The number of the first row's line.
    fn first(&self) -> u64 {
        1 + u64::from(self.header.is_some())
    }

    fn is_json(&self) -> bool {
        matches!(self.format, SwitchFormat::FreeswitchJson | SwitchFormat::TwilioJson)
    }

    fn name(&self) -> String {
        format!("{} {:?}", self.format.as_str(), self.options.columns)
    }

    fn open(&self, path: &Path) -> Result<call_files::CallReader<'static>, FileError> {
        open(path, &PLAN, &ReadOptions { format: None, switch: self.options.clone() })
    }

    /// The lines of calls in order, and of refused rows with their reasons.
    fn read(&self, path: &Path) -> (Vec<u64>, Vec<(u64, Reason)>) {
        let rows = self.open(path).unwrap_or_else(|error| panic!("{}: {error}", self.name()));
        assert_eq!(rows.format(), Format::Switch(self.format), "{}", self.name());
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for row in rows {
            match row {
                Ok(call) => good.push(call.row),
                Err(ReadError::Row(error)) => {
                    let said = error.to_string();
                    assert!(said.starts_with(&format!("line {}: ", error.row)) && !said.contains("555"), "{said}");
                    bad.push((error.row, error.error.reason));
                }
                Err(ReadError::File(error)) => panic!("{}: {error}", self.name()),
            }
        }
        good.sort_unstable();
        (good, bad)
    }

    /// That one row behind the first is refused, and no other.
    fn refuses(&self, folder: &Folder, row: &str, reason: Reason) {
        let path = folder.write("one-bad", self.text(Some(row)).as_bytes());
        let first = self.first();
        let expected = (vec![first, first + 2, first + 3], vec![(first + 1, reason)]);
        assert_eq!(self.read(&path), expected, "{}: {row}", self.name());
    }
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

#[test]
fn good_files_are_read_plain_gzip_and_zstd() {
    let folder = Folder::new();
    for known in formats() {
        let text = known.text(None);
        let first = known.first();
        let expected = (vec![first, first + 1, first + 2], vec![]);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        for bytes in [
            text.clone().into_bytes(),
            text.trim_end().as_bytes().to_vec(),
            text.replace('\n', "\r\n").into_bytes(),
            format!("\u{feff}{text}").into_bytes(),
            format!("\u{feff}{}", text.replace('\n', "\r\n")).into_bytes(),
            gzip.finish().unwrap(),
            zstd::encode_all(text.as_bytes(), 1).unwrap(),
        ] {
            assert_eq!(known.read(&folder.write("good", &bytes)), expected, "{}", known.name());
        }
    }
}

#[test]
fn what_holds_no_row_has_no_calls() {
    let folder = Folder::new();
    for known in formats() {
        for text in ["", "\n\r\n  \n"] {
            let error = known.open(&folder.write("empty", text.as_bytes())).err().unwrap();
            assert!(matches!(error, FileError::Empty { .. }), "{}: {error}", known.name());
        }
        if let Some(header) = &known.header {
            for end in ["", "\n", "\r\n"] {
                let path = folder.write("header", format!("{header}{end}").as_bytes());
                assert_eq!(known.read(&path), (vec![], vec![]), "{}", known.name());
            }
        }
    }
}

#[test]
fn files_that_are_no_text_are_refused_with_a_remedy() {
    let folder = Folder::new();
    for known in formats() {
        let text = known.text(None);
        let utf_16 = |to_bytes: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
            format!("{mark}{text}").encode_utf16().flat_map(to_bytes).collect()
        };
        for (bytes, words) in [
            (utf_16(u16::to_le_bytes, "\u{feff}"), "is UTF-16 text; wants UTF-8 (iconv -f UTF-16 -t UTF-8"),
            (utf_16(u16::to_be_bytes, "\u{feff}"), "is UTF-16 text; wants UTF-8 (iconv -f UTF-16 -t UTF-8"),
            (utf_16(u16::to_le_bytes, ""), "is UTF-16 text"),
            (vec![0x7F, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0xFF], "is binary"),
        ] {
            for format in [None, Some(Format::Switch(known.format))] {
                let path = folder.write("no-text", &bytes);
                let options = ReadOptions { format, switch: known.options.clone() };
                let error = open(&path, &PLAN, &options).err().unwrap();
                assert!(matches!(error, FileError::NotThisFormat { .. }), "{}: {error}", known.name());
                assert!(error.to_string().contains(words), "{}: {error}", known.name());
            }
        }
    }
}

#[test]
fn a_bad_row_costs_itself() {
    let folder = Folder::new();
    for known in formats() {
        let (row, reason) = &known.columns_missing;
        known.refuses(&folder, row, *reason);
        if let Some(row) = &known.impossible_time {
            known.refuses(&folder, row, Reason::BadTime);
        }
        if let Some((row, reason)) = &known.contradiction {
            known.refuses(&folder, row, *reason);
        }
        let open_quote = if known.is_json() { "{\"never\": \"closed" } else { "\"never closed,1,2" };
        known.refuses(&folder, open_quote, Reason::Unparseable);
    }
}

#[test]
fn bytes_that_are_no_text_cost_their_row() {
    let folder = Folder::new();
    for known in formats() {
        let mut bytes = Vec::new();
        for (at, line) in known.lines(None).iter().enumerate() {
            if at as u64 == known.first() {
                bytes.extend_from_slice(b"\xFF\xFE,\x80\n");
            }
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
        let first = known.first();
        let expected = (vec![first, first + 2, first + 3], vec![(first + 1, Reason::Unparseable)]);
        assert_eq!(known.read(&folder.write("bytes", &bytes)), expected, "{}", known.name());
    }
}

#[test]
fn a_file_that_is_cut_in_a_row_loses_that_row() {
    let folder = Folder::new();
    for known in formats() {
        let text = known.text(None);
        let last = known.rows[2].len();
        let first = known.first();
        for cut in [last / 3, last / 2] {
            let path = folder.write("cut", &text.as_bytes()[..text.len() - 1 - cut]);
            let (good, bad) = known.read(&path);
            assert_eq!(good, [first, first + 1], "{}", known.name());
            let bad: Vec<_> = bad.iter().map(|(line, _)| *line).collect();
            assert_eq!(bad, [first + 2], "{}", known.name());
        }
    }
}

/// 100 MB, of which none is in memory at once.
#[test]
fn a_line_of_100_mb_costs_itself() {
    let folder = Folder::new();
    for known in formats() {
        let lines = known.lines(None);
        let (before, after) = lines.split_at(known.first() as usize);
        let path = folder.0.path().join("long.zst");
        let mut file = zstd::Encoder::new(std::fs::File::create(&path).unwrap(), 1).unwrap();
        before.iter().for_each(|line| writeln!(file, "{line}").unwrap());
        let begins: &[u8] = if known.is_json() { b"{\"a\":\"" } else { b"\"a,b" };
        file.write_all(begins).unwrap();
        std::io::copy(&mut std::io::repeat(b'x').take(100_000_000), &mut file).unwrap();
        writeln!(file).unwrap();
        after.iter().for_each(|line| writeln!(file, "{line}").unwrap());
        file.finish().unwrap();
        let first = known.first();
        let expected = (vec![first, first + 2, first + 3], vec![(first + 1, Reason::TooLarge)]);
        assert_eq!(known.read(&path), expected, "{}", known.name());
    }
}

#[test]
fn other_files_are_told_what_they_look_like() {
    let folder = Folder::new();
    let told = |text: &str| {
        let path = folder.write("other", text.as_bytes());
        let error = open(&path, &PLAN, &ReadOptions::default()).err().unwrap();
        assert!(matches!(error, FileError::NotThisFormat { .. } | FileError::Told { .. }), "{error}");
        error.to_string().replace(&path.display().to_string(), "FILE")
    };
    for (text, words) in [
        ("name,number,when\nAda,+12025550101,now\n", "is a CSV of 3 columns with the header name, number, when"),
        ("<!DOCTYPE html><html>", "is an HTML page"),
        ("<?xml version=\"1.0\"?><cdr>", "is XML"),
        ("From someone\nSubject: calls\n", "is an e-mail"),
        ("PK\u{3}\u{4}xl/workbook.xml", "an Excel file"),
        ("%PDF-1.7", "is a PDF"),
        ("{\"orders\":[],\"shop\":1}\n{\"orders\":[]}\n", "has JSON objects with the names orders, shop"),
        ("[{\"sid\":1}]", "begins as a JSON array"),
        ("just a text\n", "has 1 comma-separated column"),
        ("\"cdrRecordType\",\"globalCallID_callId\",\"numberPacketsSent\"\n2,1,1\n", "is a CMR file of Cisco"),
    ] {
        let said = told(text);
        assert!(said.starts_with("FILE ") && said.contains(words), "{text}: {said}");
        assert!(!said.contains("555"), "{said}");
    }
}

#[test]
fn a_format_that_was_asked_for_must_be_it() {
    let folder = Folder::new();
    let all = formats();
    for asked in &all {
        for other in &all {
            if asked.format == other.format {
                continue;
            }
            let path = folder.write("other", other.text(None).as_bytes());
            let format = Some(Format::Switch(asked.format));
            // Columns that are given are not doubted: each row is refused then.
            let switch = SwitchOptions { columns: None, ..asked.options.clone() };
            let error = open(&path, &PLAN, &ReadOptions { format, switch }).err();
            let said = error.map(|error| error.to_string());
            assert!(
                said.as_ref().is_some_and(|said| said.contains("wants ")),
                "{} as {}: {said:?}",
                other.name(),
                asked.name()
            );
        }
    }
}
