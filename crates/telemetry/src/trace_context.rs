//! Which trace some work belongs to, as W3C Trace Context has it (<https://www.w3.org/TR/trace-context/>).

use std::fmt;

/// Names a trace: all work for one purpose, wherever it is done. Never 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub(crate) [u8; 16]);

/// Names a span: one piece of that work. Never 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub(crate) [u8; 8]);

/// What travels from whoever causes work to whoever does it: the span that caused it, and whether somebody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The span that causes the work.
    pub span_id: SpanId,
    /// Whether spans of this trace are recorded.
    pub is_sampled: bool,
}

impl TraceId {
    /// The trace of this name; `None` for 0, which names none.
    pub fn new(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl SpanId {
    /// The span of this name; `None` for 0, which names none.
    pub fn new(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl TraceContext {
    /// Reads the value of a `traceparent`. One that is malformed is no context: the work then begins a trace of its
    /// own, as the specification asks.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let text = traceparent.as_bytes();
        let (head, rest) = text.split_at_checked(LENGTH)?;
        let version: [u8; 1] = unhex(&head[..2])?;
        // Version 0 has this length; later ones may go on after a dash. 255 is forbidden.
        match version {
            [0] if !rest.is_empty() => return None,
            [255] => return None,
            _ if !rest.is_empty() && rest[0] != b'-' => return None,
            _ => {}
        }
        if [head[2], head[35], head[52]] != [b'-'; 3] {
            return None;
        }
        let [flags] = unhex(&head[53..])?;
        Some(Self {
            trace_id: TraceId::new(unhex(&head[3..35])?)?,
            span_id: SpanId::new(unhex(&head[36..52])?)?,
            is_sampled: flags & SAMPLED != 0,
        })
    }
}

/// A `traceparent` of version 0.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = if self.is_sampled { SAMPLED } else { 0 };
        write!(f, "00-{}-{}-{flags:02x}", self.trace_id, self.span_id)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Bytes of a `traceparent` of version 0.
const LENGTH: usize = 55;
/// The flag of a trace whose spans are recorded.
const SAMPLED: u8 = 1;

/// Bytes from hexadecimal digits, of which only the small ones are allowed.
fn unhex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn what_is_written_is_read_and_later_versions_too() {
        for flags in ["00", "01"] {
            let text = format!("00-{TRACE}-{SPAN}-{flags}");
            let context = TraceContext::parse(&text);
            assert_eq!(context.map(|context| context.to_string()), Some(text));
            assert_eq!(context.map(|context| context.is_sampled), Some(flags == "01"));
        }
        // Flags and versions to come: what is known of them counts.
        let known = TraceContext::parse(&format!("00-{TRACE}-{SPAN}-01"));
        assert!(known.is_some());
        for later in ["cc-{}-03", "cc-{}-01-what-the-future-brings", "00-{}-ff"] {
            assert_eq!(TraceContext::parse(&later.replace("{}", &format!("{TRACE}-{SPAN}"))), known, "{later}");
        }
    }

    /// The cases of section 3.2.2 of the specification.
    #[test]
    fn what_is_malformed_is_no_context() {
        let good = format!("00-{TRACE}-{SPAN}-01");
        let zero = |part: &str| good.replace(part, &"0".repeat(part.len()));
        let wrong = [
            String::new(),
            good[..54].to_owned(),
            format!("{good}-00"),
            format!("{good} "),
            format!(" {good}"),
            good.replace("00-", "ff-"),
            format!("cc{}.what", &good[2..]),
            good.to_uppercase(),
            good.replace('-', "_"),
            zero(TRACE),
            zero(SPAN),
            good.replace("-01", "-0g"),
            good.replace("4bf", "+bf"),
            good.replace("4bf9", "4\u{e9}9"),
        ];
        for text in wrong {
            assert_eq!(TraceContext::parse(&text), None, "{text:?}");
        }
    }
}
