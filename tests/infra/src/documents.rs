//! What `docs/runbook.md` and `docs/aws.md` say of the template.

/// Names of alarms that a runbook has a section for: those in backquotes in headings.
pub fn described_alarms(runbook: &str) -> Vec<&str> {
    let headings = runbook.lines().filter(|line| line.starts_with('#'));
    headings.flat_map(|heading| heading.split('`').skip(1).step_by(2)).collect()
}

/// Parameters and their defaults of the table in a page: lines of `| NAME | default | ... |`, both in backquotes, below
/// the heading "Parameters". `empty` is no text.
pub fn described_parameters(page: &str) -> Vec<(&str, &str)> {
    let section = page.split_once("\n## Parameters\n").map_or("", |(_, rest)| rest);
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    let cells = section.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let named = cells.filter(|cells| cells.len() > 3 && cells[1].starts_with('`'));
    let default = |cell| if cell == "empty" { "" } else { in_backquotes(cell) };
    named.map(|cells| (in_backquotes(cells[1]), default(cells[2]))).collect()
}

fn in_backquotes(cell: &str) -> &str {
    cell.trim_matches('`')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_and_tables_are_read() {
        assert_eq!(described_alarms("# A\n## `x-errors`, `y`\n`z`\n### `w`\n"), ["x-errors", "y", "w"]);
        let page = "text\n## Parameters\n\n| name | default |\n|---|---|\n| `A` | `1` | x |\n| `B` | empty | y |\n\n## More\n| `C` | `2` | z |\n";
        assert_eq!(described_parameters(page), [("A", "1"), ("B", "")]);
    }
}
