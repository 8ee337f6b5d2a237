//! What a text is that is no file of calls.

/// What the beginning of a file looks like, to follow its name, and the remedy; `None` if it is a text like any other.
pub(crate) fn guess(beginning: &[u8]) -> Option<(&'static str, &'static str)> {
    if let Some(found) = MAGICS.iter().find(|(magic, ..)| beginning.starts_with(magic)) {
        return Some((found.1, found.2));
    }
    let looked_at = &beginning[..beginning.len().min(LOOKED_AT_BYTES)];
    if is_utf_16(looked_at) {
        return Some(UTF_16);
    }
    // A text has no NUL; a first kilobyte of UTF-8 may be cut in a character, but is wrong nowhere before.
    let is_utf8 = std::str::from_utf8(looked_at).map_or_else(|error| error.error_len().is_none(), |_| true);
    let has_controls = looked_at.iter().any(|byte| *byte < 0x20 && !byte.is_ascii_whitespace());
    if looked_at.contains(&0) || !is_utf8 && has_controls {
        return Some(("is binary", crate::detect::ANY_FORMAT));
    }
    let text = String::from_utf8_lossy(looked_at).trim_start().to_ascii_lowercase();
    TEXTS.iter().find(|(begins, ..)| text.starts_with(begins)).map(|found| (found.1, found.2))
}

const LOOKED_AT_BYTES: usize = 1024;

const UTF_16: (&str, &str) = ("is UTF-16 text", "UTF-8 (iconv -f UTF-16 -t UTF-8 makes that of it)");

const SAVE_AS_CSV: &str = "a CSV: save the sheet as one, in UTF-8";

/// First bytes, what they mean, what would be read.
const MAGICS: [(&[u8], &str, &str); 9] = [
    (&[0xFF, 0xFE], UTF_16.0, UTF_16.1),
    (&[0xFE, 0xFF], UTF_16.0, UTF_16.1),
    (b"PK\x03\x04", "is a ZIP archive, or an Excel file", "what is in it: unzip it, or save the sheet as a CSV"),
    (&[0xD0, 0xCF, 0x11, 0xE0], "is an Excel file", SAVE_AS_CSV),
    (b"%PDF", "is a PDF", "the export that it was printed from, as a CSV"),
    (b"BZh", "is compressed by bzip2", "gzip or zstd, or none: bunzip2 unpacks it"),
    (&[0xFD, b'7', b'z', b'X', b'Z'], "is compressed by xz", "gzip or zstd, or none: unxz unpacks it"),
    (&[b'7', b'z', 0xBC, 0xAF], "is a 7-Zip archive", "what is in it: unpack it"),
    (
        b"SQLite format 3",
        "is an SQLite database",
        "a table of it as a CSV: sqlite3 -csv -header FILE 'SELECT ...' writes one",
    ),
];

/// How texts begin, in lower case, what they are, what would be read.
const TEXTS: [(&str, &str, &str); 8] = [
    ("<!doctype html", "is an HTML page", "the file itself: was a page of a login saved instead?"),
    ("<html", "is an HTML page", "the file itself: was a page of a login saved instead?"),
    ("<cdr", "is XML, as FreeSWITCH's mod_xml_cdr writes", "what mod_json_cdr or mod_cdr_csv writes"),
    ("<?xml", "is XML", "JSON or CSV, such as what FreeSWITCH's mod_json_cdr writes"),
    ("from ", "is an e-mail", "the file that is attached to it"),
    ("received:", "is an e-mail", "the file that is attached to it"),
    ("return-path:", "is an e-mail", "the file that is attached to it"),
    ("delivered-to:", "is an e-mail", "the file that is attached to it"),
];

/// Whether every second byte of a text without a mark is NUL, as of Latin letters in UTF-16.
fn is_utf_16(bytes: &[u8]) -> bool {
    let pairs = bytes.chunks_exact(2).take(8);
    let is_wide = |at: usize| pairs.clone().all(|pair| pair[at] == 0 && matches!(pair[1 - at], b' '..=b'~'));
    bytes.len() >= 4 && (is_wide(0) || is_wide(1))
}
