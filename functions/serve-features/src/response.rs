//! Answers as protobuf.

use features::{Entity, Feature, Level, Party, Value};
use proto::{Timestamp, from_millis, v1};
use snapshot::{DayGap, GapReason};

use crate::catalog::Catalog;
use crate::error::AnswerError;
use crate::lookup::{Missing, Reply, Served, Source};
use crate::merge::AsOf;
use crate::request::Target;
use crate::series::{Point, Series};

/// The answer for one entity.
pub fn features(catalog: &Catalog, target: &Target, as_of: AsOf, reply: &Reply) -> v1::GetFeaturesResponse {
    let entity = v1::Entity {
        party: target.party.map_or(v1::Party::PARTY_UNSPECIFIED, party).into(),
        level: level(target.level).into(),
        key: target.key.clone(),
        ..Default::default()
    };
    v1::GetFeaturesResponse {
        entity: entity.into(),
        feature_set_version: catalog.set().version().to_owned(),
        as_of: from_millis(as_of.ms()).into(),
        values: reply.values.iter().map(|served| feature_value(catalog, served)).collect(),
        degraded: !reply.degraded.is_empty(),
        degraded_reasons: reply.degraded.iter().map(ToString::to_string).collect(),
        complete_for_arrivals_before: reply.complete_before_ms.map(from_millis).into(),
        snapshot_checked_at: reply.snapshot_checked_at_ms.map(from_millis).into(),
        day_gaps: day_gaps(reply.gaps.iter().copied()),
        ..Default::default()
    }
}

/// What became of one entity of a batch.
pub fn entity_result(answered: Result<v1::GetFeaturesResponse, AnswerError>) -> v1::EntityResult {
    let outcome = match answered {
        Ok(features) => v1::EntityOutcome::from(features),
        Err(error) => v1::EntityOutcome::from(error.detail()),
    };
    v1::EntityResult { result: Some(outcome), ..Default::default() }
}

/// Every feature.
pub fn feature_list(catalog: &Catalog) -> v1::ListFeaturesResponse {
    let features = catalog
        .all()
        .map(|asked| {
            let feature = catalog.feature(asked);
            v1::Feature {
                id: catalog.id(asked).to_owned(),
                name: feature.name.clone(),
                window: asked.window.to_string(),
                party: party(feature.party).into(),
                levels: catalog.levels(asked).map(|offered| level(offered).into()).collect(),
                value_type: value_type(feature).into(),
                about: feature.about.clone(),
                ..Default::default()
            }
        })
        .collect();
    v1::ListFeaturesResponse {
        feature_set_version: catalog.set().version().to_owned(),
        features,
        ..Default::default()
    }
}

/// Days that follow each other and lack the same are one entry.
fn day_gaps(gaps: impl Iterator<Item = DayGap>) -> Vec<v1::DayGap> {
    let mut spans: Vec<(DayGap, DayGap)> = Vec::new();
    for gap in gaps {
        match spans.last_mut() {
            Some((_, last)) if last.reason == gap.reason && last.day.plus(1) == gap.day => *last = gap,
            _ => spans.push((gap, gap)),
        }
    }
    let entry = |(first, last): (DayGap, DayGap)| v1::DayGap {
        first_date: first.day.to_string(),
        last_date: last.day.to_string(),
        reason: gap_reason(first.reason).into(),
        ..Default::default()
    };
    spans.into_iter().map(entry).collect()
}

const fn gap_reason(reason: GapReason) -> v1::DayGapReason {
    match reason {
        GapReason::NoCalls => v1::DayGapReason::DAY_GAP_REASON_NO_CALLS,
        GapReason::NoInput => v1::DayGapReason::DAY_GAP_REASON_NO_INPUT,
        GapReason::LeftOut => v1::DayGapReason::DAY_GAP_REASON_LEFT_OUT,
    }
}

fn feature_value(catalog: &Catalog, served: &Served) -> v1::FeatureValue {
    let feature = catalog.feature(served.asked);
    let moment = |ms: i64| -> Timestamp { from_millis(ms) };
    let mut value = v1::FeatureValue {
        id: catalog.id(served.asked).to_owned(),
        party: party(feature.party).into(),
        window_start: moment(served.window.from_ms).into(),
        window_end: moment(served.window.to_ms).into(),
        source: served.source.map_or(v1::Source::SOURCE_UNSPECIFIED, source).into(),
        newest_event: served.newest_event_ms.map(moment).into(),
        duplicates_unchecked: served.duplicates_unchecked,
        gap_days: served.gap_days,
        ..Default::default()
    };
    match &served.value {
        Ok(answer) => {
            value.value = match answer.value {
                Value::Integer(integer) => Some(v1::Value::Integer(integer)),
                Value::Number(number) => Some(v1::Value::Number(number)),
                Value::Missing => None,
            };
            value.exact = answer.exact;
            value.relative_error = answer.relative_error;
        }
        Err(missing) => value.missing_reason = missing_reason(*missing).into(),
    }
    value
}

/// One feature over time.
pub fn series(
    catalog: &Catalog,
    entity: &Entity,
    feature: &Feature,
    as_of: AsOf,
    series: &Series,
) -> v1::GetSeriesResponse {
    let named = v1::Entity {
        party: party(entity.party).into(),
        level: level(entity.level).into(),
        key: entity.key.to_string(),
        ..Default::default()
    };
    v1::GetSeriesResponse {
        entity: named.into(),
        feature_set_version: catalog.set().version().to_owned(),
        as_of: from_millis(as_of.ms()).into(),
        feature: feature.name.clone(),
        value_type: value_type(feature).into(),
        minutes: series.minutes.iter().map(series_point).collect(),
        days: series.days.iter().map(series_point).collect(),
        degraded: !series.degraded.is_empty(),
        degraded_reasons: series.degraded.iter().map(ToString::to_string).collect(),
        ..Default::default()
    }
}

fn series_point(point: &Point) -> v1::SeriesPoint {
    let mut sent = v1::SeriesPoint {
        start: from_millis(point.start_ms).into(),
        source: point.source.map_or(v1::Source::SOURCE_UNSPECIFIED, source).into(),
        incomplete: point.incomplete,
        duplicates_unchecked: point.duplicates_unchecked,
        ..Default::default()
    };
    match &point.value {
        Ok(answer) => {
            sent.value = match answer.value {
                Value::Integer(integer) => Some(v1::SeriesValue::Integer(integer)),
                Value::Number(number) => Some(v1::SeriesValue::Number(number)),
                Value::Missing => None,
            };
            sent.exact = answer.exact;
            sent.relative_error = answer.relative_error;
        }
        Err(missing) => sent.missing_reason = missing_reason(*missing).into(),
    }
    sent
}

const fn value_type(feature: &Feature) -> v1::ValueType {
    if feature.aggregate.is_integer() { v1::ValueType::VALUE_TYPE_INTEGER } else { v1::ValueType::VALUE_TYPE_NUMBER }
}

/// A party as requests and answers name it.
pub const fn party(party: Party) -> v1::Party {
    match party {
        Party::Caller => v1::Party::PARTY_CALLER,
        Party::Callee => v1::Party::PARTY_CALLEE,
    }
}

/// A level as requests and answers name it.
pub const fn level(level: Level) -> v1::Level {
    match level {
        Level::Phone => v1::Level::LEVEL_PHONE,
        Level::Prefix => v1::Level::LEVEL_PREFIX,
        Level::Range => v1::Level::LEVEL_RANGE,
    }
}

const fn source(source: Source) -> v1::Source {
    match source {
        Source::Stream => v1::Source::SOURCE_STREAM,
        Source::Batch => v1::Source::SOURCE_BATCH,
        Source::Merged => v1::Source::SOURCE_MERGED,
    }
}

const fn missing_reason(missing: Missing) -> v1::MissingReason {
    match missing {
        Missing::NoCalls => v1::MissingReason::MISSING_REASON_NO_CALLS,
        Missing::NoSnapshot => v1::MissingReason::MISSING_REASON_NO_SNAPSHOT,
        Missing::Expired => v1::MissingReason::MISSING_REASON_EXPIRED,
        Missing::Unavailable => v1::MissingReason::MISSING_REASON_UNAVAILABLE,
        Missing::NoRecords => v1::MissingReason::MISSING_REASON_NO_RECORDS,
    }
}
