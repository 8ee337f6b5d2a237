//! The hand-written protobuf codec against the code generated from the schema.
#![allow(clippy::unwrap_used)]

use buffa::Message;
use cdr::NumberPlan;

#[test]
fn generated_code_reads_what_we_write_and_we_read_what_it_writes() {
    let plan = NumberPlan::new("US").unwrap();
    for json in [
        r#"{"call_id":"c-1","caller":"+12025550101","callee":"+442079460000","started_at":"2026-11-21T07:06:05.004Z","answered_at":"2026-11-21T07:06:09Z","ended_at":"2026-11-21T07:07:00.5Z","outcome":"answered","channel":"sms","trunk":"t1","cell_id":"310-260-1","imei":"490154203237518","cost_micros":-5,"currency":"USD","caller_ip":"192.0.2.7"}"#,
        r#"{"call_id":"c-2","caller":"anonymous","callee":"ext:hq/1001","started_at":"2026-11-21T07:06:05Z","ended_at":"2026-11-21T07:07:00Z","outcome":"canceled","cost_micros":0,"currency":"EUR"}"#,
    ] {
        let record = cdr::parse(&plan, json.as_bytes()).unwrap().record;
        let ours = record.to_protobuf();
        let message = proto::call::CallRecord::decode_from_slice(&ours).unwrap();
        assert_eq!(message.call_id, record.call_id.as_str());
        assert_eq!(message.caller_ip, record.caller_ip.as_deref().unwrap_or_default());
        assert_eq!(message.cost_micros, record.cost_micros);
        assert_eq!(proto::to_millis(message.started_at.as_option().unwrap()), Some(record.started_at_ms));
        let theirs = message.encode_to_vec();
        assert_eq!(cdr::parse(&plan, &theirs).unwrap().record, record);
        assert_eq!(theirs, ours);
    }
}
