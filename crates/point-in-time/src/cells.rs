//! The columns of a file of labels, and their types: CSV has none.

/// One value of a label.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Text(String),
    Whole(i64),
    Number(f64),
    Flag(bool),
}

/// A column, of the narrowest type that all its values have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cells {
    Texts(Vec<Option<String>>),
    Wholes(Vec<Option<i64>>),
    Numbers(Vec<Option<f64>>),
    Flags(Vec<Option<bool>>),
    /// Milliseconds since 1970 UTC.
    Times(Vec<Option<i64>>),
}

impl Cell {
    /// What a field of CSV says: a whole number is one only if it is written as one is printed, so that `007` and
    /// `+1202` stay texts.
    pub(crate) fn of_csv(field: &str) -> Self {
        if field.is_empty() {
            return Self::Null;
        }
        if let Some(whole) = field.parse().ok().filter(|whole: &i64| whole.to_string() == field) {
            return Self::Whole(whole);
        }
        match field {
            "true" | "True" | "TRUE" => Self::Flag(true),
            "false" | "False" | "FALSE" => Self::Flag(false),
            _ => match field.parse::<f64>() {
                // What begins with a + or a superfluous 0 is a code, not a quantity.
                Ok(number) if number.is_finite() && is_plain_decimal(field) => Self::Number(number),
                _ => Self::Text(field.to_owned()),
            },
        }
    }
}

/// A column of cells as CSV and JSON have them. `texts` are what stood in the file: a column of mixed types is given
/// back as it was written.
pub(crate) fn column_of(cells: &[Cell], texts: &[Option<String>]) -> Cells {
    let all = |is: fn(&Cell) -> bool| cells.iter().all(|cell| *cell == Cell::Null || is(cell));
    if all(|cell| matches!(cell, Cell::Whole(_))) {
        Cells::Wholes(
            cells.iter().map(|cell| if let Cell::Whole(whole) = cell { Some(*whole) } else { None }).collect(),
        )
    } else if all(|cell| matches!(cell, Cell::Whole(_) | Cell::Number(_))) {
        let number = |cell: &Cell| match cell {
            Cell::Whole(whole) => Some(*whole as f64),
            Cell::Number(number) => Some(*number),
            _ => None,
        };
        Cells::Numbers(cells.iter().map(number).collect())
    } else if all(|cell| matches!(cell, Cell::Flag(_))) {
        Cells::Flags(cells.iter().map(|cell| if let Cell::Flag(flag) = cell { Some(*flag) } else { None }).collect())
    } else {
        Cells::Texts(texts.to_vec())
    }
}

fn is_plain_decimal(field: &str) -> bool {
    let digits = field.strip_prefix('-').unwrap_or(field);
    let leading_zero = digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    digits.starts_with(|first: char| first.is_ascii_digit()) && !leading_zero
}
