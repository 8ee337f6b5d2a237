//! Random calls for tests.
#![allow(clippy::unwrap_used)]

use cdr::{CallRecord, Channel, NumberPlan, Outcome};
use proptest::prelude::*;

/// The day on which [`any_call`] begins.
pub(crate) const DAY: i32 = 20_000;

/// A valid call of a few numbers of every kind on [`DAY`].
pub(crate) fn any_call() -> impl Strategy<Value = CallRecord> {
    let number = prop::sample::select(vec![
        "+12025550101",
        "+12025550102",
        "+12125550101",
        "+442079460000",
        "+442079460001",
        "+5352345678",
        "anonymous",
        "ext:hq/1001",
        "short:1:911",
        "alpha:1:BANK",
    ]);
    let text = || prop::option::of("[a-c]{1,2}");
    (
        (
            prop::sample::select(vec!["a", "b", "c"]),
            number.clone(),
            number,
            prop::sample::select(Outcome::ALL.to_vec()),
        ),
        (0i64..86_400_000, 0i64..60_000, 0i64..600_000),
        (prop::option::of(prop::sample::select(Channel::ALL.to_vec())), text(), text(), text(), text()),
        prop::option::of(0i64..5_000_000),
        prop::option::of(prop::sample::select(vec!["USD", "EUR"])),
    )
        .prop_map(
            |(
                (id, caller, callee, outcome),
                (start, ring, talk),
                (channel, trunk, cell, imei, ip),
                cost,
                currency,
            )| {
                let plan = NumberPlan::new("US").unwrap();
                let number = |text: &str| plan.parse(text).unwrap();
                let started_at_ms = i64::from(DAY) * 86_400_000 + start;
                let answered = (outcome == Outcome::Answered).then_some(started_at_ms + ring);
                CallRecord {
                    call_id: id.into(),
                    caller: number(caller),
                    callee: number(callee),
                    started_at_ms,
                    answered_at_ms: answered,
                    ended_at_ms: answered.map_or(started_at_ms + ring, |answered| answered + talk),
                    outcome,
                    channel,
                    trunk: trunk.map(Into::into),
                    cell_id: cell.map(Into::into),
                    imei: imei.map(Into::into),
                    cost_micros: cost,
                    currency: currency.map(Into::into),
                    caller_ip: ip.map(Into::into),
                }
            },
        )
}
