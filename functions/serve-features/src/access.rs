//! Who may ask: bearer tokens of a file.
//!
//! A file has one token a line, or `sha256:` and the hash of one in 64 hex digits. Empty lines and lines that begin
//! with `#` are comments: a name above a token is how one knows which line to delete. In memory there are hashes alone.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use crate::secret_file::{FileError, read_secret};

/// Tokens of one file. All of them are compared for each request.
pub const TOKENS_MAX: usize = 1_000;
/// The shortest token: 128 bits as 32 hex digits cannot be guessed, so a plain hash is enough.
pub const TOKEN_CHARACTERS_MIN: usize = 32;
/// The longest token.
pub const TOKEN_CHARACTERS_MAX: usize = 512;
/// What stands before the hash of a token.
const HASHED: &str = "sha256:";

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line is neither token nor comment. It is not repeated: it may be a secret.
    #[error("{file}, line {line}: {rule}", file = file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it, and what to do.
        rule: &'static str,
    },
    /// There is no token in it.
    #[error("{file} has no token: write one a line, such as `openssl rand -hex 32` makes them", file = file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// There are too many.
    #[error(
        "{file} has more than {TOKENS_MAX} tokens: let callers share one, or use client certificates",
        file = file.display()
    )]
    TooMany {
        /// The file.
        file: PathBuf,
    },
    /// A caller's file has hashes alone.
    #[error(
        "{file} has hashes alone, and a hash cannot be sent: name a file with the token itself",
        file = file.display()
    )]
    HashesAlone {
        /// The file.
        file: PathBuf,
    },
}

/// The tokens of a file, as they were when it was last read.
pub struct Access {
    file: PathBuf,
    hashes: RwLock<Arc<[[u8; 32]]>>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("file", &self.file)
            .field("tokens", &self.hashes().len())
            .finish_non_exhaustive()
    }
}

impl Access {
    /// Reads the tokens of a file.
    pub fn open(file: &Path) -> Result<Self, TokenError> {
        let hashes = RwLock::new(read_hashes(file)?);
        Ok(Self { file: file.to_owned(), hashes })
    }

    /// Reads the file again; says whether it has other tokens now. If it cannot be used, the tokens of before stay.
    pub fn reload(&self) -> Result<bool, TokenError> {
        let hashes = read_hashes(&self.file)?;
        let is_changed = hashes != self.hashes();
        *self.hashes.write().unwrap_or_else(PoisonError::into_inner) = hashes;
        Ok(is_changed)
    }

    /// Whether a request with these headers has one of the tokens.
    pub fn admits(&self, headers: &HeaderMap) -> bool {
        let mut sent = headers.get_all(header::AUTHORIZATION).into_iter();
        // Of two headers one would have to be believed.
        let (Some(value), None) = (sent.next(), sent.next()) else { return false };
        let Some((scheme, token)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else { return false };
        // The scheme is compared without case (RFC 9110, 11.1).
        if !scheme.eq_ignore_ascii_case("bearer") || token.len() > TOKEN_CHARACTERS_MAX {
            return false;
        }
        let hash = hash_of(token.trim_matches(' '));
        // Every hash is compared in full, so that the time says nothing about which one was near.
        let hashes = self.hashes();
        let found = hashes.iter().fold(Choice::from(0), |found, known| found | known.ct_eq(&hash));
        found.into()
    }

    fn hashes(&self) -> Arc<[[u8; 32]]> {
        Arc::clone(&self.hashes.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The first token of a file, for a caller.
pub fn read_token(file: &Path) -> Result<String, TokenError> {
    let lines = read_lines(file)?;
    lines
        .into_iter()
        .find_map(|line| match line {
            Line::Token(token) => Some(token),
            Line::Hash(_) => None,
        })
        .ok_or_else(|| TokenError::HashesAlone { file: file.to_owned() })
}

enum Line {
    Token(String),
    Hash([u8; 32]),
}

fn read_hashes(file: &Path) -> Result<Arc<[[u8; 32]]>, TokenError> {
    let lines = read_lines(file)?;
    Ok(lines
        .into_iter()
        .map(|line| match line {
            Line::Token(token) => hash_of(&token),
            Line::Hash(hash) => hash,
        })
        .collect())
}

fn read_lines(file: &Path) -> Result<Vec<Line>, TokenError> {
    let bytes = read_secret(file)?;
    let mut lines = Vec::new();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let wrong = |rule| TokenError::Line { file: file.to_owned(), line: number + 1, rule };
        let line = std::str::from_utf8(line).map_err(|_| wrong("is no text: the file must be UTF-8"))?.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if lines.len() == TOKENS_MAX {
            return Err(TokenError::TooMany { file: file.to_owned() });
        }
        lines.push(parse_line(line).map_err(wrong)?);
    }
    if lines.is_empty() { Err(TokenError::Empty { file: file.to_owned() }) } else { Ok(lines) }
}

fn parse_line(line: &str) -> Result<Line, &'static str> {
    if let Some(hex) = line.strip_prefix(HASHED) {
        return parse_hash(hex).map(Line::Hash).ok_or("sha256: is followed by 64 hex digits, and nothing else");
    }
    if !(TOKEN_CHARACTERS_MIN..=TOKEN_CHARACTERS_MAX).contains(&line.len()) {
        return Err("a token has 32 to 512 characters: make one with `openssl rand -hex 32`");
    }
    // What a bearer token may have (RFC 6750, 2.1).
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if !line.bytes().all(is_allowed) {
        return Err("a token has letters, digits and -._~+/= alone: write comments on lines of their own, after #");
    }
    Ok(Line::Token(line.to_owned()))
}

fn parse_hash(hex: &str) -> Option<[u8; 32]> {
    let digits = hex.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, place) in hash.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&hex[place..place + 2], 16).ok()?;
    }
    Some(hash)
}

fn hash_of(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;

    const ONE: &str = "5f0c3c2e9a1b4d6f8e7a6b5c4d3e2f10";
    const TWO: &str = "a-second.token_with~other+signs/==";
    /// `printf %s 5f0c3c2e9a1b4d6f8e7a6b5c4d3e2f10 | sha256sum`
    const HASH_OF_ONE: &str = "f4fd75763f8818c094ceb13bdb279612c2ccaf35f7250e5eef21422d770573b9";

    fn file(text: &str) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        rewrite(&file, text);
        (folder, file)
    }

    fn rewrite(file: &Path, text: &str) {
        write(file, text).unwrap();
        set_permissions(file, Permissions::from_mode(0o600)).unwrap();
    }

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (header::AUTHORIZATION, value.parse().unwrap())).collect()
    }

    #[test]
    fn a_token_of_the_file_is_admitted_and_nothing_else() {
        let (_folder, file) = file(&format!("# the dashboard\n{ONE}\r\n\n  # fraud desk\n {TWO}\n"));
        let access = Access::open(&file).unwrap();
        for good in [format!("Bearer {ONE}"), format!("bearer {TWO}"), format!("BEARER  {ONE} ")] {
            assert!(access.admits(&headers(&[&good])), "{good}");
        }
        let cut = &ONE[..31];
        for bad in ["", ONE, "Bearer", "Bearer ", "Basic 5f0c", "Bearer # the dashboard", &format!("Bearer {cut}")] {
            assert!(!access.admits(&headers(&[bad])), "{bad}");
        }
        assert!(!access.admits(&headers(&[])));
        assert!(!access.admits(&headers(&[&format!("Basic {ONE}")])));
        assert!(!access.admits(&headers(&[&format!("Bearer {ONE} {ONE}")])));
        // Somebody in front may look at the other one.
        assert!(!access.admits(&headers(&[&format!("Bearer {ONE}"), &format!("Bearer {ONE}")])));
    }

    #[test]
    fn a_hash_admits_its_token_and_not_itself() {
        for hash in [HASH_OF_ONE.to_owned(), HASH_OF_ONE.to_uppercase()] {
            let (_folder, file) = file(&format!("sha256:{hash}"));
            let access = Access::open(&file).unwrap();
            assert!(access.admits(&headers(&[&format!("Bearer {ONE}")])));
            assert!(!access.admits(&headers(&[&format!("Bearer {hash}")])));
            assert!(!access.admits(&headers(&[&format!("Bearer sha256:{hash}")])));
            assert!(matches!(read_token(&file), Err(TokenError::HashesAlone { .. })));
        }
    }

    #[test]
    fn a_token_that_is_deleted_is_out_and_a_broken_file_changes_nothing() {
        let (_folder, file) = file(&format!("{ONE}\n{TWO}\n"));
        let access = Access::open(&file).unwrap();
        assert!(!access.reload().unwrap());
        rewrite(&file, TWO);
        assert!(access.reload().unwrap());
        assert!(!access.admits(&headers(&[&format!("Bearer {ONE}")])));
        assert!(access.admits(&headers(&[&format!("Bearer {TWO}")])));
        rewrite(&file, "# none\n");
        assert!(matches!(access.reload(), Err(TokenError::Empty { .. })));
        set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(access.reload(), Err(TokenError::File(FileError::Shared { .. }))));
        assert!(access.admits(&headers(&[&format!("Bearer {TWO}")])));
    }

    #[test]
    fn a_line_that_is_no_token_is_named_and_not_repeated() {
        let long = "x".repeat(513);
        let spaced = format!("{ONE} # dashboard");
        for line in ["hunter2", &long, &spaced, "sha256:12", &format!("sha256:{}", "g".repeat(64))] {
            let (_folder, file) = file(&format!("# first\n{TWO}\n{line}\n"));
            let error = Access::open(&file).unwrap_err();
            assert!(matches!(error, TokenError::Line { line: 3, .. }), "{error}");
            assert!(!error.to_string().contains(line), "{error}");
        }
        let (_folder, many) = self::file(&format!("{ONE}\n").repeat(TOKENS_MAX + 1));
        assert!(matches!(Access::open(&many), Err(TokenError::TooMany { .. })));
    }

    #[test]
    fn a_caller_sends_the_first_token() {
        let (_folder, file) = file(&format!("# mine\nsha256:{HASH_OF_ONE}\n{TWO}\n{ONE}\n"));
        assert_eq!(read_token(&file).unwrap(), TWO);
        assert!(!format!("{:?}", Access::open(&file).unwrap()).contains(&ONE[..8]));
    }
}
