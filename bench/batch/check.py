"""Compares the answers of peers with those of the first one, row by row: `check.py NAME=FOLDER NAME=FOLDER ...`, where
FOLDER holds a folder of Parquet files for each level. Says how many values were compared, and fails if any differs."""

import pathlib
import sys

import polars as pl

import task


def read(folder, level):
    names = [f"calls_{d}d" for d in task.WINDOWS]
    if level == "phone":
        names += [f"active_days_{d}d" for d in task.WINDOWS]
    rates = [f"velocity_{d}d" for d in task.WINDOWS]
    # Engines differ in the width of their integers; where a value does not fit, the cast fails.
    columns = [pl.col("key"), pl.col(names).cast(pl.Int64), pl.col(rates).cast(pl.Float64)]
    files = sorted((folder / level).rglob("*.parquet"))
    return pl.concat([pl.read_parquet(file).select(columns) for file in files]).sort("key")


def differences(name, level, ours, theirs):
    for who, rows in (("the first", ours), (name, theirs)):
        if rows["key"].n_unique() != rows.height:
            yield f"{level}: {who} has a key twice"
            return
    for who, rows, wanted in ((name, theirs, ours), ("the first", ours, theirs)):
        if lacking := wanted.join(rows, on="key", how="anti").height:
            yield f"{level}: {who} lacks {lacking} rows"
            return
    for column in ours.columns:
        # A missing value equals a missing value, and nothing else.
        differing = ~ours[column].eq_missing(theirs[column])
        if differing.any():
            row = differing.arg_true()[0]
            values = f"{ours[column][row]} and {theirs[column][row]}"
            yield f"{level}: {column} differs in {differing.sum()} rows, in the first {values}"


def main():
    answers = [(name, pathlib.Path(folder)) for name, folder in (part.split("=", 1) for part in sys.argv[1:])]
    (first, folder), others = answers[0], answers[1:]
    found = []
    for level in ("phone", "prefix", "range"):
        ours = read(folder, level)
        for name, other in others:
            theirs = read(other, level)
            found += [f"{name} beside {first}: {line}" for line in differences(name, level, ours, theirs)]
        values = ours.height * (ours.width - 1)
        print(f"{level}: {ours.height} rows, {values} values, of {', '.join(name for name, _ in answers)}")
    if found:
        sys.exit("\n".join(found))


main()
