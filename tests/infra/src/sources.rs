//! Which environment variables the functions read, from their sources.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

/// Names of variables of one function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VariablesRead {
    /// Every text in capitals that its sources, or those of what all functions share, have in quotes.
    pub named: BTreeSet<String>,
    /// Those without which it does not start: `required("NAME"`, `location("NAME"` or `"NAME").ok_or`.
    pub required: BTreeSet<String>,
}

/// The repository's files.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a>(pub &'a Path);

impl Sources<'_> {
    /// Variables that a function reads, such as `count-calls`.
    pub fn variables(&self, function: &str) -> io::Result<VariablesRead> {
        let mut found = VariablesRead::default();
        collect(&self.0.join("functions").join(function).join("src"), &mut found)?;
        // Traces are the same everywhere.
        collect(&self.0.join("crates/telemetry/src"), &mut found)?;
        Ok(found)
    }
}

/// A folder that is not there reads nothing, and the rule says so of every variable.
fn collect(folder: &Path, found: &mut VariablesRead) -> io::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            read(&fs::read_to_string(&path)?, found);
        }
    }
    Ok(())
}

fn read(source: &str, found: &mut VariablesRead) {
    // What the tests of a module name is not what the function reads.
    let source = source.split("#[cfg(test)]").next().unwrap_or(source);
    let parts: Vec<&str> = source.split('"').collect();
    // Which parts stand in quotes is not asked: a quote as a character, or one in a text, would turn it round.
    for around in parts.windows(3) {
        let [before, name, behind] = around else { continue };
        if name.len() < 3 || !name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
            continue;
        }
        found.named.insert((*name).to_owned());
        let asked = ["required(", "location("].iter().any(|call| before.trim_end().ends_with(call));
        if asked || behind.starts_with(").ok_or(") {
            found.required.insert((*name).to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_texts_in_capitals_outside_of_tests() {
        let mut found = VariablesRead::default();
        let source = r#"'"'; required("TABLE", "it"); variable("CACHE_MB"); variable("STREAM").ok_or(wrong); location(
            "INPUT", "so") #[cfg(test)] variable("WRONG")"#;
        read(source, &mut found);
        assert_eq!(found.named.iter().collect::<Vec<_>>(), ["CACHE_MB", "INPUT", "STREAM", "TABLE"]);
        assert_eq!(found.required.iter().collect::<Vec<_>>(), ["INPUT", "STREAM", "TABLE"]);
    }
}
