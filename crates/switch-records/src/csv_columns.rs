//! The order of columns, as a user gives it: names, or what stands in the switch's own configuration.

/// The columns of a text, lower case; empty where a column is no single value, such as a literal or a function. Takes
/// names (`clid,src,dst`), the mappings of Asterisk's `cdr_custom.conf` (`"${CDR(src)}"`, `${CSV_QUOTE(${CDR(src)})}`,
/// `uniqueid(noquote)`) and the templates of FreeSWITCH's `cdr_csv.conf.xml` (`"${caller_id_number}"`).
pub(crate) fn columns(text: &str) -> Vec<String> {
    // `Master.csv => ...` of a line that was copied whole, and what stands around the values of an SQL statement.
    let text = text.split_once("=>").map_or(text, |(_, columns)| columns);
    let (prefix, suffix) = surroundings(text);
    let text = &text[prefix.len()..text.len() - suffix.len()];
    items(text).into_iter().map(name).collect()
}

/// What stands before the first value and behind the last one of a template, such as `INSERT INTO cdr VALUES (` and
/// `);`; nothing in a list of names.
pub(crate) fn surroundings(text: &str) -> (&str, &str) {
    let Some(first) = text.find("${") else { return ("", "") };
    let Some(last) = text[first..].rfind('}').map(|at| first + at) else { return ("", "") };
    let start = if text[..first].ends_with(['"', '\'']) { first - 1 } else { first };
    let end = if text[last + 1..].starts_with(['"', '\'']) { last + 2 } else { last + 1 };
    // A value that is no variable may come first, and is a column then.
    if text[..start].contains(',') && !text[..start].contains('(') {
        return ("", &text[end..]);
    }
    (&text[..start], &text[end..])
}

/// Splits at the commas that stand in no bracket and no quotes.
fn items(text: &str) -> Vec<&str> {
    let (mut items, mut start, mut depth, mut quoted) = (Vec::new(), 0, 0_usize, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if depth == 0 => quoted = !quoted,
            b'(' | b'{' => depth += 1,
            b')' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 && !quoted => {
                items.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(&text[start..]);
    items
}

fn name(item: &str) -> String {
    let item = item.trim();
    let inner = match item.find("CDR(") {
        // Its options stand behind a comma: `${CDR(duration,f)}`.
        Some(at) => item[at + 4..].split([')', ',']).next().unwrap_or_default(),
        None => match item.trim_matches(['"', '\'']).strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
            Some(variable) => variable,
            None if item.starts_with(['"', '\'']) || item.contains('$') => "",
            // `start(int64)` is the start still; a variable of the user's own is no column of ours.
            None => match item.split_once('(') {
                Some((_, qualifiers)) if qualifiers.to_ascii_lowercase().contains("uservar") => "",
                Some((name, _)) => name,
                None => item,
            },
        },
    };
    let is_name = inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b' '));
    if is_name { inner.trim().to_ascii_lowercase() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mappings_and_templates_are_read_alike() {
        let names = ["clid", "src", "", "duration", "uniqueid"];
        for text in [
            "clid,src,,duration,uniqueid",
            "clid, SRC, \"A, literal\", duration, uniqueid(noquote)",
            "fields => clid,src,ds_type(uservar),duration(int64),uniqueid(int64^noquote)",
            "Master.csv => ${CSV_QUOTE(${CDR(clid)})},${CDR(src)},${IF($[1]?a,b)},${CSV_QUOTE(${CDR(duration,f)})},${CDR(uniqueid)}",
            "\"${CDR(clid)}\",\"${CDR(src)}\",\"${IF($[1 = 1]?a,b)}\",\"${CDR(duration)}\",\"${CDR(uniqueid)}\"",
            "\"${clid}\",\"${src}\",\"${regex('${x}'|^.)}\", \"${duration}\",'${uniqueid}'",
            "INSERT INTO cdr VALUES (\"${clid}\",\"${src}\",\"${a+b}\",\"${duration}\", \"${uniqueid}\");",
        ] {
            assert_eq!(columns(text), names, "{text}");
        }
    }

    #[test]
    fn surroundings_are_of_statements_alone() {
        assert_eq!(surroundings("INSERT INTO cdr VALUES (\"${a}\",\"${b}\");"), ("INSERT INTO cdr VALUES (", ");"));
        assert_eq!(surroundings("\"${a}\",${b}"), ("", ""));
        assert_eq!(surroundings("a,b"), ("", ""));
    }
}
