"""Computes the wide face of a snapshot with Spark.

The SQL comes from `tollwatch features compile --target spark --json`; nothing here names a feature. See docs/spark.md.
"""

import argparse
import datetime
import json
import sys

from pyspark import StorageLevel
from pyspark.sql import SparkSession

# What files of calls are named, by what they hold.
GLOBS = {"lines": "*.jsonl*", "parquet": "*.parquet"}


class Refused(Exception):
    """What the user can mend."""


def read_archive(spark, compiled, location, kind):
    """The relation `archive`, from all files below a location."""
    reader = spark.read.option("recursiveFileLookup", True).option("pathGlobFilter", GLOBS[kind])
    if kind == "parquet":
        return reader.parquet(location)
    return reader.schema(compiled["archive_columns"]).json(location)


def check(spark, compiled, location, as_of):
    """Fails where tables would be of other calls, or under other keys, than the batch job's."""
    calls, fitting = spark.sql(compiled["check"]).first()
    if calls == 0:
        raise Refused(
            f"{location} holds no call of the {compiled['longest_days']} days that end with {as_of}: "
            "give another --archive or --as-of"
        )
    if calls != fitting:
        raise Refused(
            f"{calls - fitting} of {calls} calls in {location} have no derived fields, or of another number plan than "
            "these definitions: write them anew with `tollwatch import --archive` of the version that compiled the SQL"
        )
    return calls


def compute(spark, compiled, location, kind, as_of, output):
    """Writes a folder of Parquet a party and level below `output`, which must not be there, and yields its name."""
    read_archive(spark, compiled, location, kind).createOrReplaceTempView("archive")
    spark.sql(compiled["records"][kind]).createOrReplaceTempView("records")
    calls = spark.sql(compiled["calls"], args={"as_of": as_of})
    # Every table reads them; the files are parsed once.
    calls.persist(StorageLevel.MEMORY_AND_DISK)
    calls.createOrReplaceTempView("calls")
    try:
        yield "calls", check(spark, compiled, location, as_of)
        for table in compiled["tables"]:
            folder = f"{output}/{table['party']}/{table['level']}/features"
            spark.sql(table["query"]).write.mode("errorifexists").parquet(folder)
            yield f"{table['party']}:{table['level']}", folder
    finally:
        calls.unpersist()


def arguments():
    parser = argparse.ArgumentParser(description="Features of telephone calls, with Spark")
    parser.add_argument("--features", required=True, help="what `tollwatch features compile --json` printed")
    parser.add_argument("--archive", required=True, help="where the calls are, such as s3://BUCKET/raw/")
    parser.add_argument("--input", choices=sorted(GLOBS), default="lines", help="what they are in")
    parser.add_argument("--output", required=True, help="tables go to OUTPUT/as_of=DATE/run=RUN/PARTY/LEVEL/features/")
    parser.add_argument("--as-of", required=True, type=datetime.date.fromisoformat, help="last UTC day of every window")
    parser.add_argument("--run", default=datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ"))
    return parser.parse_args()


def main():
    given = arguments()
    as_of = given.as_of.isoformat()
    spark = SparkSession.builder.appName("tollwatch-features").getOrCreate()
    try:
        compiled = json.loads(spark.read.text(given.features, wholetext=True).first()[0])
        if compiled.get("target") != "spark":
            raise Refused(f"{given.features} is no SQL for Spark: compile it with --target spark --json")
        output = f"{given.output.rstrip('/')}/as_of={as_of}/run={given.run}"
        for name, what in compute(spark, compiled, given.archive, given.input, as_of, output):
            print(f"{name}\t{what}", flush=True)
    except Refused as refused:
        print(f"error: {refused}", file=sys.stderr)
        return 1
    finally:
        spark.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
