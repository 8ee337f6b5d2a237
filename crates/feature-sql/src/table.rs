//! One party and level: from calls to the columns of the wide face.

use features::{BatchWindow, Feature, FeatureSet, Level, Party, Slot, SlotKind, Window};

use crate::calls::{DAYS_AGO, key_of};
use crate::distinct::{different, is_counted_here};
use crate::expression::expression;
use crate::formula::value;
use crate::target::Target;

/// The wide face of one party and level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Which side of the call.
    pub party: Party,
    /// How much of the number.
    pub level: Level,
    /// Feature ids in the order of the columns, `key` before them left out.
    pub columns: Vec<String>,
    /// The query over the relation `calls`.
    pub query: String,
}

/// A relation that later ones read.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) query: String,
}

/// `None` where no feature of the party and level has a batch window.
pub(crate) fn table(target: Target, set: &FeatureSet, party: Party, level: Level) -> Option<Table> {
    let windows = set.batch_windows(party, level);
    let longest = windows.last()?.days();
    let slots = set.slots(party);
    let features: Vec<(&Feature, BatchWindow)> = set
        .features_at(party, level)
        .flat_map(|feature| feature.batch.iter().map(move |window| (feature, *window)))
        .collect();
    let wanted: Vec<(usize, BatchWindow)> = (0..slots.len())
        .flat_map(|slot| windows.iter().map(move |window| (slot, *window)))
        .filter(|(slot, window)| features.iter().any(|(f, w)| w == window && f.formula.slots().has(*slot)))
        .collect();
    let (by_value, plain): (Vec<_>, Vec<_>) = wanted.iter().partition(|(slot, _)| is_counted_here(slots[*slot].kind));

    let mut parts = vec![
        Part { name: "inputs", query: inputs(target, slots, &wanted, (party, level), longest) },
        Part { name: "counted", query: counted(slots, &plain) },
    ];
    let join = if by_value.is_empty() {
        ""
    } else {
        parts.extend(different(target, slots, &by_value, &windows));
        "\nleft join different as d on c.key = d.key"
    };
    let ids: Vec<String> = features.iter().map(|(feature, window)| feature.id(Window::Batch(*window))).collect();
    let values: Vec<String> = features
        .iter()
        .zip(&ids)
        .map(|((feature, window), id)| format!(",\n  {} as {}", value(feature, *window, slots), target.name(id)))
        .collect();
    let query = with(&parts, &format!("select\n  c.key as key{}\nfrom counted as c{join}", values.concat()));
    Some(Table { party, level, columns: ids, query })
}

/// A query that reads relations made before it.
pub(crate) fn with(parts: &[Part], query: &str) -> String {
    let parts: Vec<String> = parts.iter().map(|part| format!("{} as (\n{}\n)", part.name, part.query)).collect();
    format!("with {}\n{query}", parts.join(",\n"))
}

/// The column of a slot over a window.
pub(crate) fn column(slot: usize, window: BatchWindow) -> String {
    format!("slot_{slot}_{window}")
}

/// What every call puts into every slot; null where it puts nothing. Slots that count every call have no column.
fn inputs(
    target: Target,
    slots: &[Slot],
    wanted: &[(usize, BatchWindow)],
    (party, level): (Party, Level),
    longest: u32,
) -> String {
    let (key, is_named) = key_of(party, level);
    let mut columns = vec![format!("{key} as key"), DAYS_AGO.to_owned()];
    let mut last = None;
    for (place, _) in wanted {
        if last.replace(*place) == Some(*place) {
            continue;
        }
        let slot = &slots[*place];
        let condition = slot.condition.as_ref().map(|condition| expression(target, condition));
        let value = match &slot.input {
            Some(input) => expression(target, input),
            None if condition.is_some() => "1".to_owned(),
            None => continue,
        };
        let value = match condition {
            Some(condition) => format!("case when {condition} then {value} end"),
            None => value,
        };
        columns.push(format!("{value} as slot_{place}"));
    }
    format!("select\n  {}\nfrom calls\nwhere {is_named} and {DAYS_AGO} < {longest}", columns.join(",\n  "))
}

/// Everything but different values, in one pass.
fn counted(slots: &[Slot], wanted: &[(usize, BatchWindow)]) -> String {
    let mut columns = vec!["key".to_owned()];
    columns.extend(wanted.iter().map(|(place, window)| {
        let slot = &slots[*place];
        let all = slot.condition.is_none() && slot.input.is_none();
        let value = if all { "1".to_owned() } else { format!("slot_{place}") };
        // Sums of 64 bits overflow 64 bits.
        let wide = format!("cast({value} as decimal(38, 0))");
        let within = |value: &str| format!("case when {DAYS_AGO} < {} then {value} end", window.days());
        let aggregate = match slot.kind {
            SlotKind::Sum => format!("sum({})", within(&wide)),
            SlotKind::SumSquares => format!("sum({})", within(&format!("{wide} * {wide}"))),
            SlotKind::Min => format!("min({})", within(&value)),
            SlotKind::Max => format!("max({})", within(&value)),
            SlotKind::Count | SlotKind::Distinct | SlotKind::Days => format!("count({})", within(&value)),
        };
        format!("{aggregate} as {}", column(*place, *window))
    }));
    format!("select\n  {}\nfrom inputs\ngroup by key", columns.join(",\n  "))
}
