//! Any rows at all: a reader gives a leg, nothing, or an error.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, LazyLock};

use cdr::NumberPlan;
use proptest::prelude::*;

use crate::{
    AsteriskColumns, AsteriskReader, CiscoCucmReader, FreeswitchCsvReader, FreeswitchJsonReader, FreeswitchTemplate,
    LegReader, Legs, MappedCsvReader, Mapping, Site, TwilioCsvReader, TwilioJsonReader,
};

static PLAN: LazyLock<NumberPlan> = LazyLock::new(|| NumberPlan::new("US").unwrap());

static MAPPING: LazyLock<Arc<Mapping>> =
    LazyLock::new(|| Arc::new(Mapping::parse(include_str!("../../../examples/mapping.toml")).unwrap()));

/// Reads rows with every reader of this file, each behind a header of its own.
fn read(rows: &[Vec<u8>]) {
    let site = Site::new(&PLAN, "hq", "Europe/Berlin").unwrap();
    let mapping = MAPPING.clone();
    let mut readers: [(Box<dyn LegReader>, &str); 7] = [
        (
            Box::new(CiscoCucmReader::new(site.clone(), Legs::Merged)),
            include_str!("../testdata/cisco_cucm/cdr_StandAloneCluster_02_202612011000_1"),
        ),
        (Box::new(TwilioJsonReader::new(site.clone(), Legs::Merged)), ""),
        (
            Box::new(TwilioCsvReader::new(site.clone(), Legs::Each)),
            include_str!("../testdata/twilio_csv/console.csv"),
        ),
        (Box::new(AsteriskReader::new(site.clone(), AsteriskColumns::CDR_CSV, Legs::Each)), ""),
        (Box::new(FreeswitchCsvReader::new(site.clone(), template())), ""),
        (Box::new(FreeswitchJsonReader::new(site.clone())), ""),
        (Box::new(MappedCsvReader::new(site, mapping)), include_str!("../testdata/mapped_csv/carrier.csv")),
    ];
    for (reader, file) in &mut readers {
        if let Some(header) = file.lines().next() {
            assert_eq!(reader.leg(header.as_bytes()), Ok(None));
        }
        for row in rows {
            if let Err(error) = reader.leg(row) {
                assert!(!error.rule.is_empty());
            }
        }
    }
}

/// That of the fixture.
fn template() -> FreeswitchTemplate {
    let rows: Vec<&[u8]> =
        include_str!("../testdata/freeswitch_csv/example.csv").lines().map(str::as_bytes).collect();
    FreeswitchTemplate::detect(&rows).unwrap().unwrap()
}

/// A row of a fixture, some of its bytes made others.
fn broken_row() -> impl Strategy<Value = Vec<u8>> {
    let files = [
        include_str!("../testdata/cisco_cucm/cdr_StandAloneCluster_02_202612011000_1"),
        include_str!("../testdata/twilio_json/calls.jsonl"),
        include_str!("../../call-files/testdata/asterisk/columns-21.csv"),
        include_str!("../testdata/freeswitch_csv/example.csv"),
        include_str!("../testdata/freeswitch_json/legs.json"),
        include_str!("../testdata/twilio_csv/console.csv"),
        include_str!("../testdata/mapped_csv/carrier.csv"),
    ];
    let rows: Vec<&'static str> = files.iter().flat_map(|file| file.lines()).collect();
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (prop::sample::select(rows), changes).prop_map(|(row, changes)| {
        let mut row = row.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(row.len());
            row[at] = byte;
        }
        row
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_a_leg_nothing_or_an_error(rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..5)) {
        read(&rows);
    }

    #[test]
    fn broken_rows_are_a_leg_nothing_or_an_error(rows in prop::collection::vec(broken_row(), 0..5)) {
        read(&rows);
    }

    #[test]
    fn any_text_is_columns_or_an_error(text in "[${}()\"', =>;a-z_CDR]{0,60}|\\PC{0,60}") {
        let _ = AsteriskColumns::given(&text);
        let _ = FreeswitchTemplate::given(&text);
    }

    #[test]
    fn any_text_is_a_mapping_or_an_error(text in "\\PC{0,80}") {
        let _ = Mapping::parse(&text);
    }
}
