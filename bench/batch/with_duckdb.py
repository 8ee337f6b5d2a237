"""The task in DuckDB: one pass over the calls to a row a phone, prefixes and ranges from those rows."""

import duckdb

import task

given = task.arguments()
watch = task.Stopwatch()
folders = task.level_folders(given.output)
last_day = task.day_number(given.as_of)

base = duckdb.connect()
base.sql(f"SET threads = {given.threads}")
# Nobody asked for the order of the files, and keeping it costs memory.
base.sql("SET preserve_insertion_order = false")

counts = ", ".join(f"count(*) FILTER (ago < {d}) AS calls_{d}d" for d in task.WINDOWS)
sums = ", ".join(f"sum(calls_{d}d)::BIGINT AS calls_{d}d" for d in task.WINDOWS)
# A bit a day: the days of a window are the lowest bits.
active = ", ".join(f"bit_count(days & {(1 << d) - 1}::HUGEINT)::BIGINT AS active_days_{d}d" for d in task.WINDOWS)
velocity = ", ".join(f"round(calls_{d}d / {d}.0::DOUBLE, 2) AS velocity_{d}d" for d in task.WINDOWS)

base.sql(f"""
    CREATE TABLE phones AS
    SELECT * EXCLUDE (days), {active} FROM (
        SELECT caller AS key, {counts}, bit_or(1::HUGEINT << ago) AS days
        FROM (
            SELECT caller, ({last_day} - epoch_ms(started_at) // {task.DAY_MS})::INTEGER AS ago
            FROM read_parquet('{given.calls}/*.parquet')
        )
        WHERE ago BETWEEN 0 AND {max(task.WINDOWS) - 1}
        GROUP BY caller
    )
""")
levels = {
    "phone": "SELECT * FROM phones",
    "prefix": f"SELECT key[:{task.PREFIX_CHARS}] AS key, {sums} FROM phones GROUP BY ALL",
    "range": f"SELECT key[:-{task.RANGE_DIGITS + 1}] AS key, {sums} FROM phones GROUP BY ALL",
}
for level, rows in levels.items():
    base.sql(f"COPY (SELECT *, {velocity} FROM ({rows})) TO '{folders[level]}/part-0.parquet' (FORMAT parquet)")
watch.report()
