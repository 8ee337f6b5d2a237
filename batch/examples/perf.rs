//! Measures a run.
use std::io::Write as _;
use std::sync::Arc;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (folder, calls, phones, files, threads): (&str, u64, u64, u64, usize) = (
        &args[1],
        args[2].parse().unwrap(),
        args[3].parse().unwrap(),
        args[4].parse().unwrap(),
        args[5].parse().unwrap(),
    );
    let input = std::path::Path::new(folder).join("in");
    if !input.exists() {
        std::fs::create_dir_all(&input).unwrap();
        let mut seed = 7u64;
        let mut below = |n: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % n
        };
        let per = calls / files;
        for file in 0..files {
            let mut out =
                std::io::BufWriter::new(std::fs::File::create(input.join(format!("{file:04}.jsonl"))).unwrap());
            for n in 0..per {
                let day = 20777 - 89 + (file * 90 / files) as i64;
                let started = day * 86_400_000 + below(86_400_000) as i64;
                let ring = below(20_000) as i64;
                let talk = below(300_000) as i64;
                let outcome =
                    ["answered", "answered", "answered", "no_answer", "busy", "canceled"][below(6) as usize];
                let ended = started + ring + if outcome == "answered" { talk } else { 0 };
                let number = |n: u64| format!("+1{}555{:04}", 202 + n / 10_000 * 1, n % 10_000);
                let caller = number(below(phones));
                let callee =
                    if below(5) == 0 { format!("+4420794{:05}", below(99999)) } else { number(below(phones)) };
                write!(out, "{{\"call_id\":\"{file}-{n}\",\"caller\":\"{caller}\",\"callee\":\"{callee}\",\"started_at\":\"{}\"", cdr::format_time(started)).unwrap();
                if outcome == "answered" {
                    write!(out, ",\"answered_at\":\"{}\"", cdr::format_time(started + ring)).unwrap();
                }
                writeln!(out, ",\"ended_at\":\"{}\",\"outcome\":\"{outcome}\",\"cell_id\":\"c{}\",\"cost_micros\":{},\"currency\":\"USD\"}}", cdr::format_time(ended), below(50), below(90000)).unwrap();
            }
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let set = Arc::new(features::FeatureSet::default_set().unwrap());
    let out = std::path::Path::new(folder).join("out");
    let run = format!("r{}", std::process::id());
    let started = std::time::Instant::now();
    let report = runtime
        .block_on(batch::run(
            batch::BatchOptions {
                input: batch::Input::all(objects::Objects::in_folder(&input)),
                output: objects::Objects::in_folder(&out),
                as_of: snapshot::UtcDay::new(20777),
                run: run.parse().unwrap(),
                complete_for_arrivals_before: None,
                temporary: None,
                read: Default::default(),
                threads,
            },
            set,
            |_| (),
        ))
        .unwrap();
    println!("{:?} {:?}\n{:?}\n{:?}", started.elapsed(), report.took, report.manifest.calls, report.manifest.rows);
    let mb =
        |face| report.manifest.files.iter().filter(|f| f.face == face).map(|f| f.bytes).sum::<u64>() as f64 / 1e6;
    println!("features {} MB, online {} MB", mb(snapshot::Face::Features), mb(snapshot::Face::Online));
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|l| l.starts_with("VmHWM")).unwrap());
}
