//! Writes YAML: as much of it as an OpenAPI document needs.

use std::fmt::{self, Write as _};

/// A value, its mappings in the order in which they are written.
#[derive(Clone)]
pub enum Node {
    /// A text.
    Text(String),
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Values one after the other.
    List(Vec<Self>),
    /// Values by name.
    Map(Vec<(String, Self)>),
}

impl Node {
    /// The document, ending in a line feed.
    pub fn to_yaml(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        self.write(0, &mut out)?;
        Ok(out.trim_start().to_owned())
    }

    /// Writes what follows `name:` or `-`.
    fn write(&self, indent: usize, out: &mut String) -> fmt::Result {
        let margin = "  ".repeat(indent);
        match self {
            Self::Text(text) if is_block(text) => {
                out.push_str(" |-\n");
                for line in text.lines() {
                    let margin = if line.is_empty() { "" } else { &margin };
                    writeln!(out, "{margin}{line}")?;
                }
            }
            Self::Text(text) => writeln!(out, " {}", quoted(text))?,
            Self::Bool(truth) => writeln!(out, " {truth}")?,
            Self::Integer(integer) => writeln!(out, " {integer}")?,
            Self::List(values) if values.is_empty() => out.push_str(" []\n"),
            Self::Map(fields) if fields.is_empty() => out.push_str(" {}\n"),
            Self::List(values) => {
                out.push('\n');
                for value in values {
                    let mut item = String::new();
                    value.write(indent + 1, &mut item)?;
                    // A mapping begins on the line of its dash.
                    let item =
                        if matches!(value, Self::Map(_)) { item.trim_start() } else { item.trim_start_matches(' ') };
                    write!(out, "{margin}- {item}")?;
                }
            }
            Self::Map(fields) => {
                out.push('\n');
                for (name, value) in fields {
                    write!(out, "{margin}{}:", plain_or_quoted(name))?;
                    value.write(indent + 1, out)?;
                }
            }
        }
        Ok(())
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Whether a text is written as lines rather than in quotes.
fn is_block(text: &str) -> bool {
    let printable = text.chars().all(|c| c == '\n' || !c.is_control());
    text.contains('\n') && printable && !text.starts_with([' ', '\n']) && !text.ends_with('\n')
}

/// A string of JSON is one of YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Names need no quotes where nothing could take them for something else.
fn plain_or_quoted(name: &str) -> String {
    let word = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    let meant = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    if name == "$ref" || word && !meant.contains(&name.to_ascii_lowercase().as_str()) {
        name.to_owned()
    } else {
        quoted(name)
    }
}
