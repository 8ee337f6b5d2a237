//! `--pseudonymize`: calls under pseudonyms instead of the numbers of people.

use std::fs::File;
use std::io::Read as _;

use anyhow::{Context as _, anyhow};
use pseudonyms::{KEY_BYTES_MAX, Key, Pseudonyms};

use crate::failure::{Blame as _, Failure};

/// Whether calls get pseudonyms, and which.
#[derive(clap::Args, Clone)]
pub(crate) struct PseudonymFlags {
    /// Replace numbers by pseudonyms under this key of 16 bytes or more: @FILE, env:VARIABLE, or the key itself, which
    /// others can then read. Country, prefix and range stay, and features of them; docs/pseudonyms.md says what is not
    /// hidden
    #[arg(long, value_name = "KEY")]
    pseudonymize: Option<String>,
    /// Digits that a range leaves out, as the definitions have it: pseudonyms stay in their range
    #[arg(long, value_name = "DIGITS", default_value_t = 4, requires = "pseudonymize")]
    range_digits: u8,
}

impl PseudonymFlags {
    /// The pseudonyms that are asked for; notes that a key can be seen. `variable` reads the environment.
    pub(crate) fn open(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Pseudonyms>, Failure> {
        let Some(given) = &self.pseudonymize else {
            return Ok(None);
        };
        let bytes = match (given.strip_prefix('@'), given.strip_prefix("env:")) {
            (Some(file), _) => {
                key_of(file).with_context(|| format!("--pseudonymize: cannot read {file}")).or_user()?
            }
            (_, Some(name)) => {
                let value = variable(name).filter(|value| !value.is_empty());
                let none = || anyhow!("--pseudonymize: there is no environment variable {name}: set it to the key");
                value.ok_or_else(none).or_user()?.into_bytes()
            }
            _ => {
                eprintln!(
                    "note: a key on the command line is seen by others in the list of processes and stays in the shell's \
                     history: put it in a file and give --pseudonymize @FILE, or env:VARIABLE"
                );
                given.as_bytes().to_owned()
            }
        };
        let key = Key::new(&bytes).context("--pseudonymize").or_user()?;
        Pseudonyms::new(&key, self.range_digits).context("--range-digits").or_user().map(Some)
    }
}

/// The content of a file without the end of its last line, which editors and shells put there.
fn key_of(file: &str) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // So many that a longer file is refused as one, and no more.
    let read_max = (KEY_BYTES_MAX + "\r\n".len() + 1) as u64;
    File::open(file)?.take(read_max).read_to_end(&mut bytes)?;
    let key = bytes.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    Ok(key.unwrap_or(&bytes).to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn opened(key: &str, range_digits: u8) -> Result<Pseudonyms, String> {
        let flags = PseudonymFlags { pseudonymize: Some(key.to_owned()), range_digits };
        let variable = |name: &str| (name == "KEY").then(|| "0123456789abcdef".to_owned());
        flags.open(variable).map(Option::unwrap).map_err(|failure| failure.into_error().to_string())
    }

    #[test]
    fn a_key_comes_from_a_file_the_environment_or_the_command_line_and_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = |content: &[u8]| {
            let path = folder.path().join("key");
            std::fs::write(&path, content).unwrap();
            format!("@{}", path.display())
        };
        let none = PseudonymFlags { pseudonymize: None, range_digits: 4 };
        assert!(none.open(|_| None).unwrap().is_none());
        let plan = cdr::NumberPlan::new("US").unwrap();
        let json = br#"{"call_id":"7","caller":"+12025550101","callee":"anonymous","started_at":"2026-11-21T07:06:05Z","ended_at":"2026-11-21T07:06:06Z","outcome":"busy"}"#;
        let call = cdr::parse(&plan, json).unwrap().record;
        let hidden = |pseudonyms: Pseudonyms| pseudonyms.call(&plan, call.clone()).unwrap();
        let expected = hidden(opened("0123456789abcdef", 4).unwrap());
        for key in ["env:KEY", &file(b"0123456789abcdef")] {
            assert_eq!(hidden(opened(key, 4).unwrap()), expected);
        }
        for content in [&b"0123456789abcdef\n"[..], b"0123456789abcdef\r\n"] {
            assert_eq!(hidden(opened(&file(content), 4).unwrap()), expected);
        }
        assert_ne!(hidden(opened(&file(b"0123456789abcdef\n\n"), 4).unwrap()), expected);

        for (key, digits, problem) in [
            ("env:NONE", 4, "no environment variable NONE"),
            ("@absent", 4, "cannot read absent"),
            ("secret", 4, "--pseudonymize"),
            (file(&[b'k'; 5_000]).as_str(), 4, "--pseudonymize"),
            ("0123456789abcdef", 2, "--range-digits"),
        ] {
            let error = opened(key, digits).unwrap_err();
            assert!(error.contains(problem) && !error.contains("secret"), "{error}");
        }
    }
}
