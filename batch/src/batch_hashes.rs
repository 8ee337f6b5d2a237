//! Hashes of the calls of a batch, for which each text that rows share is hashed once.

use call_files::{CallBatch, Numbers, Texts};
use features::Party;

use crate::hashes::{self, Part, of_part, of_text};
use crate::phone_key::PhoneKey;

/// Hashes and keys by code. Those of the dictionaries of a row group are kept from batch to batch.
#[derive(Debug, Default)]
pub(crate) struct BatchHashes {
    /// File and row group.
    of: Option<(u64, usize)>,
    numbers: [NumberHashes; 2],
    /// Of the call ids alone; below, texts as parts of their records.
    call_ids: Vec<u64>,
    texts: [Vec<u64>; 7],
}

#[derive(Debug, Default)]
struct NumberHashes {
    /// Bits of a [`PhoneKey`]; 0 where it is not E.164.
    keys: Vec<u64>,
    parts: Vec<u64>,
    has_others: bool,
}

impl BatchHashes {
    /// Looks at another batch of the file `file`.
    pub(crate) fn update(&mut self, file: u64, batch: &CallBatch) {
        if self.of != Some((file, batch.group)) {
            *self = Self { of: Some((file, batch.group)), ..Self::default() };
        }
        let [caller, callee] = &mut self.numbers;
        caller.update(Part::Caller, &batch.caller);
        callee.update(Part::Callee, &batch.callee);
        extend(&mut self.call_ids, &batch.call_id, of_text);
        for ((part, texts), hashes) in texts_of(batch).into_iter().zip(&mut self.texts) {
            extend(hashes, texts, |text| of_part(part, of_text(text)));
        }
    }

    /// The bits of the key of each code of a party's numbers; 0 where it is not E.164.
    pub(crate) fn keys(&self, party: Party) -> &[u64] {
        &self.numbers[party as usize].keys
    }

    /// Whether any number is not E.164.
    pub(crate) fn has_others(&self, party: Party) -> bool {
        self.numbers[party as usize].has_others
    }

    /// See [`hashes::identity`].
    pub(crate) fn identity(&self, batch: &CallBatch, row: usize) -> u64 {
        let key = batch.caller.code(row).map_or(0, |code| self.numbers[0].keys[code]);
        let caller = if key == 0 { batch.caller.get(row).map_or(0, hashes::of_number) } else { key };
        let call_id = batch.call_id.code(row).map_or(0, |code| self.call_ids[code]);
        hashes::identity(caller, call_id, batch.started_at_ms(row).div_euclid(60_000))
    }

    /// See [`hashes::content`].
    pub(crate) fn content(&self, batch: &CallBatch, row: usize) -> u64 {
        let call_id = batch.call_id.code(row).map(|code| of_part(Part::CallId, self.call_ids[code]));
        let numbers = [&batch.caller, &batch.callee].into_iter().zip(&self.numbers);
        let numbers = numbers.map(|(numbers, hashes)| numbers.code(row).map(|code| hashes.parts[code]));
        let texts = texts_of(batch).into_iter().zip(&self.texts);
        let texts = texts.map(|((_, texts), hashes)| texts.code(row).map(|code| hashes[code]));
        let wholes = [
            (Part::StartedAt, Some(batch.started_at_ms(row))),
            (Part::AnsweredAt, batch.answered_at_ms(row)),
            (Part::EndedAt, Some(batch.ended_at_ms(row))),
            (Part::CostMicros, batch.cost_micros(row)),
        ];
        let wholes = wholes.into_iter().map(|(part, whole)| whole.map(|whole| of_part(part, whole.cast_unsigned())));
        [call_id].into_iter().chain(numbers).chain(texts).chain(wholes).flatten().fold(0, u64::wrapping_add)
    }
}

fn texts_of(batch: &CallBatch) -> [(Part, &Texts); 7] {
    [
        (Part::Outcome, &batch.outcome),
        (Part::Channel, &batch.channel),
        (Part::Trunk, &batch.trunk),
        (Part::CellId, &batch.cell_id),
        (Part::Imei, &batch.imei),
        (Part::Currency, &batch.currency),
        (Part::CallerIp, &batch.caller_ip),
    ]
}

/// Makes what is missing, behind what the dictionary has.
fn extend(hashes: &mut Vec<u64>, texts: &Texts, hash: impl Fn(&str) -> u64) {
    hashes.truncate(texts.dictionary_len());
    hashes.extend((hashes.len()..texts.len()).map(|code| hash(texts.text(code))));
}

impl NumberHashes {
    fn update(&mut self, part: Part, numbers: &Numbers) {
        self.keys.truncate(numbers.dictionary_len());
        self.parts.truncate(numbers.dictionary_len());
        for number in &numbers.all()[self.keys.len()..] {
            let key = number.as_ref().and_then(PhoneKey::of).map(PhoneKey::bits);
            self.has_others |= key.is_none();
            let hash = key.or_else(|| number.as_ref().map(hashes::of_number)).unwrap_or_default();
            self.keys.push(key.unwrap_or_default());
            self.parts.push(of_part(part, hash));
        }
    }
}
