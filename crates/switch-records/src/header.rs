//! Columns by the names that a header gives them.

/// A name as it is compared: in lower case, without blanks and underscores.
pub(crate) fn plain(name: &str) -> String {
    let name = name.trim_start_matches('\u{feff}');
    name.chars().filter(|char| !matches!(char, ' ' | '_' | '\u{a0}')).map(|char| char.to_ascii_lowercase()).collect()
}

/// The place of the first column that has one of the names, which are plain; names that come first are preferred.
pub(crate) fn place(header: &[String], names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| header.iter().position(|column| column == name))
}
