//! How fast the files of switches are read, beside what their text alone costs: `csv` splitting it into byte records, or
//! `serde_json` passing over its objects. Rows are those of the fixtures, each with its own id, times and numbers; two
//! legs a call where a format writes legs.
//!
//!     taskset -c 0 cargo run --profile dist -p call-files --example readers
//!
//! It is an example of this package, not a binary of `bench`, since that links all that is measured there, and takes
//! minutes to build. MB are millions of bytes; of five rounds the median is told. Time is that of the processor (on Linux, from
//! `/proc/thread-self/schedstat`), so that what else runs on the machine takes nothing from it but its caches.
#![allow(clippy::print_stdout)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

use call_files::{Format, ReadOptions, SwitchFormat, SwitchOptions, open};
use cdr::NumberPlan;
use jiff::Timestamp;
use serde::de::IgnoredAny;

/// Bytes of each file, at least.
const FILE_BYTES: usize = 100_000_000;
const ROUNDS: usize = 5;
/// 2026-12-01T10:00:00Z.
const START_S: i64 = 1_796_119_200;
const MAPPING: &str = include_str!("../../../examples/mapping.toml");

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let plan = NumberPlan::new("US")?;
    let began = Instant::now();
    println!("{}\n", machine());
    println!(
        "| format | MB | rows | calls | MB/s | rows/s | floor MB/s | of the floor |\n|---|---|---|---|---|---|---|---|"
    );
    for format in SwitchFormat::ALL {
        let path = folder.path().join(format.as_str());
        let rows = write(&path, format)?;
        let bytes = fs::metadata(&path)?.len() as f64 / 1e6;
        let (mut calls, mut ours, mut floors) = (0, Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let start = seconds(began);
            calls = read(&path, &plan, format)?;
            let middle = seconds(began);
            floor(&path, format)?;
            ours.push(middle - start);
            floors.push(seconds(began) - middle);
        }
        let (ours, floor) = (median(ours), median(floors));
        println!(
            "| {} | {bytes:.0} | {rows} | {calls} | {:.0} | {:.0} | {:.0} | {:.2} |",
            format.as_str(),
            bytes / ours,
            rows as f64 / ours,
            bytes / floor,
            floor / ours,
        );
        fs::remove_file(&path)?;
    }
    Ok(())
}

/// Reads a file to its end; every row has to be of a call.
fn read(path: &Path, plan: &NumberPlan, format: SwitchFormat) -> Result<u64, Failure> {
    let mapping = (format == SwitchFormat::MappedCsv).then(|| MAPPING.to_owned());
    let switch = SwitchOptions { mapping, ..SwitchOptions::default() };
    let options = ReadOptions { format: Some(Format::Switch(format)), switch };
    let mut calls = 0;
    for call in open(path, plan, &options)? {
        call?;
        calls += 1;
    }
    Ok(calls)
}

/// What reading and splitting the text alone costs.
fn floor(path: &Path, format: SwitchFormat) -> Result<(), Failure> {
    if matches!(format, SwitchFormat::TwilioJson | SwitchFormat::FreeswitchJson) {
        let text = fs::read(path)?;
        for object in serde_json::Deserializer::from_slice(&text).into_iter::<IgnoredAny>() {
            object?;
        }
        return Ok(());
    }
    let delimiter = if format == SwitchFormat::MappedCsv { b';' } else { b',' };
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_path(path)?;
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record)? {}
    Ok(())
}

/// Writes a file and says how many rows it has, header aside.
fn write(path: &Path, format: SwitchFormat) -> Result<usize, Failure> {
    let mut text = String::with_capacity(FILE_BYTES + 16 * 1024);
    text.push_str(header(format));
    let mut rows = 0;
    while text.len() < FILE_BYTES {
        row(&mut text, format, rows)?;
        rows += 1;
    }
    fs::write(path, text)?;
    Ok(rows)
}

const CUCM_FILE: &str =
    include_str!("../../switch-records/testdata/cisco_cucm/cdr_StandAloneCluster_02_202612011000_1");

fn header(format: SwitchFormat) -> &'static str {
    match format {
        SwitchFormat::CiscoCucm => {
            let types = CUCM_FILE.find('\n').map_or(0, |end| end + 1);
            let rows = CUCM_FILE[types..].find('\n').map_or(0, |end| types + end + 1);
            &CUCM_FILE[..rows]
        }
        SwitchFormat::TwilioCsv => {
            "Sid,ParentCallSid,From,To,Status,StartTime,EndTime,Duration,Price,PriceUnit,Direction\n"
        }
        SwitchFormat::MappedCsv => {
            "Satz;Vermittlung;Datum;Uhrzeit;A-Nummer;B-Nummer;Rufdauer;Gesprächsdauer;Ergebnis;Betrag;Bündel\n"
        }
        _ => "",
    }
}

/// One row: of legs, the even ones are those of the caller, and the odd ones those that they lead to.
fn row(text: &mut String, format: SwitchFormat, n: usize) -> Result<(), Failure> {
    let call = n / 2;
    // 50 calls a second, so that calls which wait for their legs are as many as in a busy hour.
    let start = START_S + call as i64 / 50;
    let [started, answered, ended] = [start, start + 8, start + 68];
    let (caller, callee) = (100 + call * 7919 % 9_000, 100 + call * 104_729 % 9_000);
    let is_first = n.is_multiple_of(2);
    match format {
        SwitchFormat::Asterisk => {
            let [started, answered, ended] = [stamp(started)?, stamp(answered)?, stamp(ended)?];
            writeln!(
                text,
                "\"\",\"+1202555{caller:04}\",\"+1212555{callee:04}\",\"from-trunk\",\"\"\"Alice\"\" <+1202555{caller:04}>\",\
                 \"PJSIP/trunk-{n:08x}\",\"PJSIP/1001-{n:08x}\",\"Dial\",\"PJSIP/1001,30,tT\",\"{started}\",\"{answered}\",\
                 \"{ended}\",68,60,\"ANSWERED\",\"DOCUMENTATION\",\"{start}.{n}\",\"\",\"\",\"{start}.{call}\",\"{n}\""
            )?;
        }
        SwitchFormat::FreeswitchCsv => {
            let [started, answered, ended] = [stamp(started)?, stamp(answered)?, stamp(ended)?];
            let (own, other) = (n, n ^ 1);
            writeln!(
                text,
                "\"Alice\",\"+1202555{caller:04}\",\"+1212555{callee:04}\",\"default\",\"{started}\",\"{answered}\",\"{ended}\",\
                 \"68\",\"60\",\"NORMAL_CLEARING\",\"00000000-0000-4000-8000-{own:012}\",\
                 \"00000000-0000-4000-8000-{other:012}\",\"\",\"PCMU\",\"PCMU\""
            )?;
        }
        SwitchFormat::FreeswitchJson => freeswitch_json(text, n, [started, answered, ended], (caller, callee))?,
        SwitchFormat::CiscoCucm => {
            let row = CUCM_FILE.lines().nth(2).unwrap_or_default();
            let row = row.replace("1,2,5001,1001,1796119200,", &format!("1,2,{call},{n},{started},"));
            let row = row.replace(",1796119207,1796119267,", &format!(",{answered},{ended},"));
            writeln!(text, "{}", row.replacen("\"1001\"", &format!("\"+1202555{caller:04}\""), 1))?;
        }
        SwitchFormat::TwilioJson => {
            let [started, ended] = [mail(started)?, mail(ended)?];
            let parent =
                if is_first { "null".to_owned() } else { format!("\"CA000000000000000000000000{:08x}\"", n - 1) };
            writeln!(
                text,
                "{{\"sid\":\"CA000000000000000000000000{n:08x}\",\"date_created\":\"{started}\",\"date_updated\":\"{ended}\",\
                 \"parent_call_sid\":{parent},\"account_sid\":\"AC00000000000000000000000000000001\",\
                 \"to\":\"+1212555{callee:04}\",\"to_formatted\":\"(212) 555-{callee:04}\",\"from\":\"+1202555{caller:04}\",\
                 \"from_formatted\":\"(202) 555-{caller:04}\",\"phone_number_sid\":null,\"status\":\"completed\",\
                 \"start_time\":\"{started}\",\"end_time\":\"{ended}\",\"duration\":\"60\",\"price\":\"-0.00850\",\
                 \"price_unit\":\"USD\",\"direction\":\"outbound-dial\",\"answered_by\":null,\"api_version\":\"2010-04-01\",\
                 \"forwarded_from\":null,\"group_sid\":null,\"caller_name\":null,\"queue_time\":\"0\",\"trunk_sid\":null,\
                 \"uri\":\"/2010-04-01/Accounts/AC00000000000000000000000000000001/Calls/CA000000000000000000000000{n:08x}.json\"}}"
            )?;
        }
        SwitchFormat::TwilioCsv => {
            let [started, ended] = [mail(started)?, mail(ended)?];
            let parent = if is_first { String::new() } else { format!("CA000000000000000000000000{:08x}", n - 1) };
            writeln!(
                text,
                "CA000000000000000000000000{n:08x},{parent},+1202555{caller:04},+1212555{callee:04},completed,\
                 \"{started}\",\"{ended}\",60,-0.00850,USD,outbound-dial"
            )?;
        }
        SwitchFormat::MappedCsv => {
            let local = Timestamp::from_second(started)?.strftime("%d.%m.%Y;%H:%M:%S").to_string();
            writeln!(text, "{n};BER1;{local};+49302312{caller:04};+1212555{callee:04};8;60;OK;0,125;T-7")?;
        }
    }
    Ok(())
}

/// A channel's variables are some hundred; these are those of a call between two telephones, with a few of the others.
fn freeswitch_json(
    text: &mut String,
    n: usize,
    [started, answered, ended]: [i64; 3],
    (caller, callee): (usize, usize),
) -> Result<(), Failure> {
    let (direction, tie) =
        if n.is_multiple_of(2) { ("inbound", "bridge_uuid") } else { ("outbound", "originating_leg_uuid") };
    let other = n ^ 1;
    writeln!(
        text,
        "{{\"core-uuid\":\"00000000-0000-4000-8000-000000000000\",\"switchname\":\"fs1\",\"channel_data\":{{\"state\":\"CS_REPORTING\",\
         \"direction\":\"{direction}\",\"flags\":\"0=1;1=1;3=1\",\"caps\":\"1=1;2=1;3=1\"}},\"variables\":{{\"direction\":\"{direction}\",\
         \"uuid\":\"00000000-0000-4000-8000-{n:012}\",\"{tie}\":\"00000000-0000-4000-8000-{other:012}\",\
         \"sip_network_ip\":\"192.0.2.7\",\"sip_from_user\":\"+1202555{caller:04}\",\"sip_user_agent\":\"Phone/1.0\",\
         \"read_codec\":\"PCMU\",\"write_codec\":\"PCMU\",\"hangup_cause\":\"NORMAL_CLEARING\",\"hangup_cause_q850\":\"16\",\
         \"start_epoch\":\"{started}\",\"answer_epoch\":\"{answered}\",\"end_epoch\":\"{ended}\",\"start_uepoch\":\"{started}000000\",\
         \"answer_uepoch\":\"{answered}000000\",\"end_uepoch\":\"{ended}000000\",\"duration\":\"68\",\"billsec\":\"60\",\
         \"mduration\":\"68000\",\"billmsec\":\"60000\"}},\"callflow\":[{{\"dialplan\":\"XML\",\"profile_index\":\"1\",\
         \"caller_profile\":{{\"username\":\"alice\",\"dialplan\":\"XML\",\"caller_id_name\":\"Alice\",\
         \"caller_id_number\":\"+1202555{caller:04}\",\"network_addr\":\"192.0.2.7\",\"destination_number\":\"+1212555{callee:04}\",\
         \"uuid\":\"00000000-0000-4000-8000-{n:012}\",\"source\":\"mod_sofia\",\"context\":\"default\",\
         \"chan_name\":\"sofia/internal/alice@192.0.2.7\"}},\"times\":{{\"created_time\":\"{started}000000\",\
         \"answered_time\":\"{answered}000000\",\"hangup_time\":\"{ended}000000\"}}}}]}}"
    )?;
    Ok(())
}

fn stamp(second: i64) -> Result<String, Failure> {
    Ok(Timestamp::from_second(second)?.strftime("%F %T").to_string())
}

fn mail(second: i64) -> Result<String, Failure> {
    Ok(Timestamp::from_second(second)?.strftime("%a, %d %b %Y %T +0000").to_string())
}

/// Seconds that this thread ran; where the system does not tell, those since `began`.
fn seconds(began: Instant) -> f64 {
    let ran = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = ran.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok());
    nanos.map_or_else(|| began.elapsed().as_secs_f64(), |nanos| nanos as f64 / 1e9)
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    format!(
        "{}, {} processors",
        model.unwrap_or("a processor that has no name"),
        std::thread::available_parallelism().map_or(1, usize::from)
    )
}
