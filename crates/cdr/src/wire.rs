//! The protobuf wire format, as far as a flat message needs it: a reader that borrows, and a writer.

/// Bytes that are no protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Byte at which reading stopped.
    pub at: usize,
}

/// The value of a field. Values of 4 and 8 bytes are of no field of ours and are only passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireValue<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Other,
}

/// Reads a message field by field.
pub(crate) struct WireReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> WireReader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Byte of the message up to which it was read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The number and value of the next field; `None` at the end of the message.
    pub fn next_field(&mut self) -> Result<Option<(u32, WireValue<'a>)>, Malformed> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let (number, wire_type) = self.tag()?;
        let value = match wire_type {
            VARINT => WireValue::Varint(self.varint()?),
            LENGTH_DELIMITED => WireValue::Bytes(self.length_delimited()?),
            _ => {
                self.skip(number, wire_type, 0)?;
                WireValue::Other
            }
        };
        Ok(Some((number, value)))
    }

    fn tag(&mut self) -> Result<(u32, u8), Malformed> {
        let start = self.at;
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| (1..=MAX_FIELD).contains(number));
        number.map(|number| (number, (tag & 7) as u8)).ok_or(Malformed { at: start })
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for place in 0..10 {
            let byte = *self.bytes.get(self.at).ok_or(Malformed { at: self.at })?;
            // The tenth byte holds the 64th bit alone.
            if place == 9 && byte > 1 {
                return Err(Malformed { at: self.at });
            }
            self.at += 1;
            value |= u64::from(byte & 0x7F) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed { at: self.at })
    }

    fn length_delimited(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.varint()?;
        self.take(usize::try_from(len).unwrap_or(usize::MAX))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(len).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or(Malformed { at: self.at })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn skip(&mut self, number: u32, wire_type: u8, depth: u32) -> Result<(), Malformed> {
        match wire_type {
            VARINT => self.varint().map(drop),
            FIXED64 => self.take(8).map(drop),
            LENGTH_DELIMITED => self.length_delimited().map(drop),
            START_GROUP if depth < MAX_GROUP_DEPTH => loop {
                let (inner, wire_type) = self.tag()?;
                if wire_type == END_GROUP {
                    return if inner == number { Ok(()) } else { Err(Malformed { at: self.at }) };
                }
                self.skip(inner, wire_type, depth + 1)?;
            },
            FIXED32 => self.take(4).map(drop),
            _ => Err(Malformed { at: self.at }),
        }
    }
}

/// Appends a varint field.
pub(crate) fn put_varint(out: &mut Vec<u8>, number: u32, value: u64) {
    put_raw_varint(out, u64::from(number) << 3 | u64::from(VARINT));
    put_raw_varint(out, value);
}

/// Appends a length-delimited field.
pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u32, value: &[u8]) {
    put_raw_varint(out, u64::from(number) << 3 | u64::from(LENGTH_DELIMITED));
    put_raw_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn put_raw_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The largest field number protobuf has.
const MAX_FIELD: u32 = (1 << 29) - 1;
/// How deep unknown groups may nest: they are read by recursion. Protobuf's own limit is 100.
const MAX_GROUP_DEPTH: u32 = 100;

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH_DELIMITED: u8 = 2;
const START_GROUP: u8 = 3;
const END_GROUP: u8 = 4;
const FIXED32: u8 = 5;
