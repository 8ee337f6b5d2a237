"""The task in Polars from Python: one pass over the calls to a row a phone, prefixes and ranges from those rows."""

import os

import task

given = task.arguments()
# It is read when the library is loaded.
os.environ["POLARS_MAX_THREADS"] = str(given.threads)

import polars as pl

watch = task.Stopwatch()
folders = task.level_folders(given.output)
ago = task.day_number(given.as_of) - pl.col("started_at").dt.epoch("ms") // task.DAY_MS

# A bit a day, in two integers: the days of a window are the lowest bits. Faster than grouping by phone and day first,
# and than counting the different days of each window.
HALF = 45


def bit(shift):
    return pl.lit(2, pl.Int64).pow(shift.clip(0, HALF - 1))


def active_days(window):
    low = pl.col("low") & ((1 << min(window, HALF)) - 1)
    high = pl.col("high") & ((1 << max(window - HALF, 0)) - 1)
    days = low.bitwise_count_ones() + high.bitwise_count_ones()
    return days.cast(pl.Int64).alias(f"active_days_{window}d")


def velocity(window):
    rate = (pl.col(f"calls_{window}d") / window).round(2, mode="half_away_from_zero")
    return rate.alias(f"velocity_{window}d")


phones = (
    pl.scan_parquet(given.calls / "*.parquet")
    .select(key="caller", ago=ago.cast(pl.Int8))
    .filter(pl.col("ago").is_between(0, max(task.WINDOWS) - 1))
    .with_columns(
        low=pl.when(pl.col("ago") < HALF).then(bit(pl.col("ago"))).otherwise(0),
        high=pl.when(pl.col("ago") >= HALF).then(bit(pl.col("ago") - HALF)).otherwise(0),
    )
    .group_by("key")
    .agg(
        *[(pl.col("ago") < d).sum().cast(pl.Int64).alias(f"calls_{d}d") for d in task.WINDOWS],
        pl.col("low", "high").bitwise_or(),
    )
    .with_columns(map(active_days, task.WINDOWS))
    .drop("low", "high")
    .collect(engine="streaming")
)


def write(frame, level):
    frame.with_columns(map(velocity, task.WINDOWS)).write_parquet(folders[level] / "part-0.parquet")


write(phones, "phone")
sums = [pl.col(f"calls_{d}d").sum() for d in task.WINDOWS]
write(phones.group_by(pl.col("key").str.slice(0, task.PREFIX_CHARS)).agg(sums), "prefix")
write(phones.group_by(pl.col("key").str.head(-task.RANGE_DIGITS)).agg(sums), "range")
watch.report()
