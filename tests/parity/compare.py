"""Two tables of values, row by row and column by column."""

import dataclasses
import math

# Of doubles, relative to the larger of 1 and the value.
TOLERANCE = 1e-9


@dataclasses.dataclass
class Difference:
    """What was found between a table and the one that is right."""

    rows: int = 0
    columns: int = 0
    values: int = 0
    largest: float = 0.0
    wrong: int = 0
    examples: list = dataclasses.field(default_factory=list)

    def note(self, example):
        self.wrong += 1
        if len(self.examples) < 5:
            self.examples.append(example)


def compare(expected, found):
    """Compares two pyarrow tables. Keys are told by their place, for they may be numbers of people."""
    result = Difference(rows=expected.num_rows, columns=expected.num_columns - 1)
    if expected.column_names != found.column_names:
        result.note(f"columns differ: {sorted(set(expected.column_names) ^ set(found.column_names)) or 'their order'}")
        return result
    kinds = [(field.name, field.type, found.schema.field(field.name).type) for field in expected.schema]
    for name, wanted, got in kinds[1:]:
        if wanted != got:
            result.note(f"{name} is {got}, not {wanted}")
    expected, found = rows_of(expected, result), rows_of(found, result)
    for what, keys in [("rows are missing", expected.keys() - found.keys()), ("rows too many", found.keys() - expected.keys())]:
        if keys:
            result.note(f"{len(keys)} {what}")
    names = [name for name, _, _ in kinds[1:]]
    for row, key in enumerate(sorted(expected.keys() & found.keys())):
        for name, right, value in zip(names, expected[key], found[key]):
            result.values += 1
            if not is_equal(right, value, result):
                result.note(f"row {row}, {name}: {value!r}, not {right!r}")
    return result


def rows_of(table, result):
    rows = list(zip(*(column.to_pylist() for column in table.columns)))
    by_key = {row[0]: row[1:] for row in rows}
    if len(by_key) != len(rows) or None in by_key:
        result.note(f"{len(rows)} rows have {len(by_key)} keys")
    return by_key


def is_equal(right, value, result):
    if right is None or value is None or not isinstance(right, float):
        return right == value and type(right) is type(value)
    if math.isnan(right) or math.isnan(value):
        return False
    difference = abs(right - value) / max(1.0, abs(right))
    result.largest = max(result.largest, difference)
    return difference <= TOLERANCE
