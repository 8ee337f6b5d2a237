"""The task in Spark on this machine alone: one pass over the calls to a row a phone, prefixes and ranges from those
rows."""

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import task

given = task.arguments()
spark = (
    SparkSession.builder.master(f"local[{given.threads}]")
    .appName("bench-batch")
    # The default of 200 partitions is for a cluster.
    .config("spark.sql.shuffle.partitions", 4 * given.threads)
    .config("spark.driver.memory", "8g")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
watch = task.Stopwatch()
last_day = task.day_number(given.as_of)

calls = spark.read.parquet(str(given.calls)).select(
    F.col("caller").alias("key"),
    F.expr(f"cast({last_day} - unix_date(cast(started_at as date)) as int)").alias("ago"),
)
calls = calls.where(F.col("ago").between(0, max(task.WINDOWS) - 1))


def within(window):
    return F.count(F.when(F.col("ago") < window, 1))


# A bit a day, in two integers: the days of a window are the lowest bits.
HALF = 45
low = F.bit_or(F.expr(f"case when ago < {HALF} then shiftleft(1L, ago) else 0L end")).alias("low")
high = F.bit_or(F.expr(f"case when ago >= {HALF} then shiftleft(1L, ago - {HALF}) else 0L end")).alias("high")


def active_days(window):
    low = f"bit_count(low & {(1 << min(window, HALF)) - 1}L)"
    high = f"bit_count(high & {(1 << max(window - HALF, 0)) - 1}L)"
    return F.expr(f"cast({low} + {high} as bigint)").alias(f"active_days_{window}d")


def velocity(window):
    return F.round(F.col(f"calls_{window}d") / window, 2).alias(f"velocity_{window}d")


phones = calls.groupBy("key").agg(*[within(d).alias(f"calls_{d}d") for d in task.WINDOWS], low, high)
counts = [f"calls_{d}d" for d in task.WINDOWS]
# Written first and read for the others: computed once, and not held in memory.
phones.select("key", *counts, *map(active_days, task.WINDOWS), *map(velocity, task.WINDOWS)).write.parquet(
    str(given.output / "phone")
)
phones = spark.read.parquet(str(given.output / "phone"))
keys = {
    "prefix": F.substring("key", 1, task.PREFIX_CHARS),
    "range": F.expr(f"left(key, length(key) - {task.RANGE_DIGITS})"),
}
for level, key in keys.items():
    rows = phones.groupBy(key.alias("key")).agg(*[F.sum(name).alias(name) for name in counts])
    rows.select("*", *map(velocity, task.WINDOWS)).write.parquet(str(given.output / level))
watch.report()
spark.stop()
