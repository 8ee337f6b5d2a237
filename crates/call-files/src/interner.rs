//! Different texts of a column, each kept once.

/// Texts in the order in which they first came, as a dictionary page of Parquet has them: before each its length, in
/// four bytes.
#[derive(Default)]
pub(crate) struct Interner {
    plain: Vec<u8>,
    /// Where the length of each text stands in `plain`.
    starts: Vec<u32>,
    /// Open addressing: for each slot the upper bits of a hash, and the code of the text below them.
    slots: Vec<u64>,
}

/// No text: codes stay below it.
const EMPTY: u64 = u64::MAX;
const CODE_BITS: u32 = 32;
const FIRST_SLOTS: usize = 64;

impl Interner {
    /// The code of a text, and whether it is a new one. Codes count from 0.
    pub fn code(&mut self, text: &str) -> (u32, bool) {
        // At most half full, so that a look ends soon.
        if self.starts.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let hash = hash(text.as_bytes());
        let mask = self.slots.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            let slot = self.slots[place];
            if slot == EMPTY {
                let code = self.starts.len() as u32;
                self.slots[place] = tag(hash) | u64::from(code);
                self.starts.push(self.plain.len() as u32);
                self.plain.extend((text.len() as u32).to_le_bytes());
                self.plain.extend(text.as_bytes());
                return (code, true);
            }
            let code = slot as u32;
            if slot & !u64::from(u32::MAX) == tag(hash) && self.get(code) == text.as_bytes() {
                return (code, false);
            }
            place = (place + 1) & mask;
        }
    }

    /// Takes back the text that was the last new one.
    pub fn take_back(&mut self) {
        let Some(start) = self.starts.pop() else { return };
        let code = self.starts.len() as u64;
        let hash = hash(&self.plain[start as usize + size_of::<u32>()..]);
        let mut place = hash as usize & (self.slots.len() - 1);
        while self.slots[place] != (tag(hash) | code) {
            place = (place + 1) & (self.slots.len() - 1);
        }
        // Nothing was put behind it since.
        self.slots[place] = EMPTY;
        self.plain.truncate(start as usize);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// All of them, as a dictionary page has them.
    pub fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// The texts in order.
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|code| self.get(code as u32))
    }

    /// Forgets all texts, and keeps the memory.
    pub fn clear(&mut self) {
        self.plain.clear();
        self.starts.clear();
        self.slots.fill(EMPTY);
    }

    fn get(&self, code: u32) -> &[u8] {
        let start = self.starts[code as usize] as usize + size_of::<u32>();
        let end = self.starts.get(code as usize + 1).map_or(self.plain.len(), |next| *next as usize);
        &self.plain[start..end]
    }

    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(FIRST_SLOTS);
        self.slots.clear();
        self.slots.resize(slots, EMPTY);
        for code in 0..self.starts.len() as u32 {
            let hash = hash(self.get(code));
            let mut place = hash as usize & (slots - 1);
            while self.slots[place] != EMPTY {
                place = (place + 1) & (slots - 1);
            }
            self.slots[place] = tag(hash) | u64::from(code);
        }
    }
}

fn tag(hash: u64) -> u64 {
    // Never that of an empty slot: the topmost bit is clear.
    (hash >> 1) & !((1 << CODE_BITS) - 1)
}

/// Eight bytes at a time, mixed by a multiplication to twice the width. Who writes a file may choose its texts, and with
/// them how fast it is written: nothing else depends on it.
fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0x9E37_79B9_7F4A_7C15 ^ bytes.len() as u64;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = chunk.try_into().map_or(0, u64::from_le_bytes);
        hash = fold(hash ^ word);
    }
    let mut last = [0; 8];
    let rest = chunks.remainder();
    last[..rest.len()].copy_from_slice(rest);
    fold(hash ^ u64::from_le_bytes(last))
}

fn fold(word: u64) -> u64 {
    let product = u128::from(word ^ 0xD6E8_FEB8_6659_FD93) * 0xA076_1D64_78BD_642F;
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_code_and_different_texts_differ() {
        let mut interner = Interner::default();
        for round in 0..2 {
            for number in 0..10_000_u32 {
                let text = if number % 3 == 0 { format!("+{number}") } else { format!("a longer text, {number}") };
                assert_eq!(interner.code(&text), (number, round == 0));
            }
        }
        assert_eq!(interner.code(""), (10_000, true));
        assert_eq!(interner.code(""), (10_000, false));
        assert_eq!(interner.len(), 10_001);
        assert_eq!(interner.texts().nth(3), Some(&b"+3"[..]));
        assert_eq!(&interner.plain()[..6], b"\x02\0\0\0+0");
        assert_eq!(interner.code("taken back"), (10_001, true));
        interner.take_back();
        assert_eq!(interner.code("other"), (10_001, true));
        assert_eq!(interner.code("taken back"), (10_002, true));
        interner.clear();
        assert_eq!((interner.len(), interner.code("b")), (0, (0, true)));
    }
}
