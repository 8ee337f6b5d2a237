"""Runs the compiled SQL on Spark and, transpiled, on DuckDB, and compares every value with the batch job's files.

Ends with 1 if anything differs, or if one of the mistakes that are made on purpose is not noticed.
"""

import argparse
import datetime
import json
import logging
import os
import pathlib
import subprocess
import sys
import time
import types

import duckdb
import pyarrow.parquet
import sqlglot

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.append(str(ROOT / "crates" / "feature-sql" / "job"))

import calls  # noqa: E402
import compute_features  # noqa: E402
from compare import compare  # noqa: E402
from mistakes import MISTAKES  # noqa: E402

AS_OF = datetime.date(2026, 11, 19)
SEED = 20_261_121
DEFINITIONS = {"default": ROOT / "features.toml", "parity": HERE / "features.toml", "few": HERE / "few.toml"}
GENERATE = "--format jsonl --days 101 --subscribers 120 --campaigns 1 --end 2026-11-22 --seed 7"
# Short runs: compiling well what runs once took half of the time.
SPARK = "--driver-java-options '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC' --master local[2] --driver-memory 2g "
SPARK += "--conf spark.ui.enabled=false --conf spark.sql.shuffle.partitions=2 --conf spark.sql.adaptive.enabled=false "
# Results must not depend on the session: one set is run in another than the default one.
SESSION = {"parity": "--conf spark.sql.ansi.enabled=true --conf spark.sql.session.timeZone=Asia/Kolkata "}
# It says which storage properties DuckDB does not have.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


class Suite:
    def __init__(self, tollwatch, folder):
        self.tollwatch = tollwatch
        self.folder = folder
        self.started = time.monotonic()
        self.failed = 0

    def run(self):
        self.make_calls()
        with Duck(self.folder / "raw") as duck:
            for name in ["default", "parity"]:
                expected = self.batch(name, "raw")
                self.report("spark", name, expected, self.spark(name, "lines", "raw"))
                self.say("DuckDB")
                statements = self.statements(name)
                self.report("duckdb", name, expected, duck.run(statements))
                self.make_mistakes(name, expected, statements, duck)
        self.parquet()
        self.refuse_underived()
        self.say(f"{self.failed} failures" if self.failed else "all equal, every mistake noticed")
        return 1 if self.failed else 0

    def say(self, what):
        print(f"[{time.monotonic() - self.started:5.0f} s] {what}", flush=True)

    def command(self, *arguments, **more):
        text = subprocess.run(
            [str(argument) for argument in arguments], check=True, stdout=subprocess.PIPE, encoding="utf-8", **more
        )
        return text.stdout

    def make_calls(self):
        """Generated calls, made awkward, as an archive with derived fields; and the same calls as Parquet."""
        self.say("calls")
        generated, lines, raw = (self.folder / name for name in ["generated", "lines", "raw/2026/11/22/00"])
        lines.mkdir()
        raw.mkdir(parents=True)
        self.command(self.tollwatch, "generate", "--output", generated, *GENERATE.split())
        records = [json.loads(line) for file in sorted(generated.glob("*.jsonl")) for line in file.open(encoding="utf-8")]
        made = calls.archived(records, AS_OF, SEED)
        calls.write(made, lines)
        files = sorted(lines.glob("*.jsonl"))
        self.command(self.tollwatch, "import", "--archive", "--as", "jsonl.gz", "--output", raw, *files)
        # What could not be read is in an archive as its bytes.
        unread = {"position": "1", "arrived_at": "2026-11-19T00:00:00.000Z", "bytes": "aGVsbG8="}
        (raw / "unread.jsonl").write_text(json.dumps(unread) + "\n", encoding="utf-8")
        self.say(f"{len(made)} lines of {len(records)} generated calls and of others")

    def batch(self, name, source):
        """The files of the batch job, by table."""
        self.say(f"batch job, definitions {name}, over {source}")
        output = self.folder / f"batch-{name}"
        self.command(
            *[self.tollwatch, "batch", "--input", self.folder / source, "--output", output],
            *["--as-of", AS_OF, "--definitions", DEFINITIONS[name]],
        )
        return tables(output.glob("snapshots/as_of=*/run=*/*/*/features"))

    def spark(self, name, kind, source):
        """What the job writes, by table."""
        self.say("Spark")
        output = self.folder / f"spark-{name}"
        done = self.submit(name, kind, source, output)
        if done.returncode:
            print((self.folder / "spark.log").read_text(encoding="utf-8")[-4_000:])
            raise SystemExit(f"the Spark job ended with {done.returncode}")
        return tables((output / f"as_of={AS_OF}" / "run=parity").glob("*/*/features"))

    def submit(self, name, kind, source, output):
        compiled = self.folder / f"features-{name}.json"
        compiled.write_text(self.compiled("spark", name, "--json"), encoding="utf-8")
        return subprocess.run(
            [sys.executable, compute_features.__file__, "--features", compiled, "--archive", self.folder / source, "--input", kind]
            + ["--output", output, "--as-of", str(AS_OF), "--run", "parity"],
            env=os.environ | {"PYSPARK_SUBMIT_ARGS": f"{SPARK}{SESSION.get(name, '')}pyspark-shell", "PYSPARK_PYTHON": sys.executable},
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "spark.log").open("w"),
        )

    def compiled(self, target, name, *more):
        arguments = ["features", "compile", "--target", target, "--definitions", DEFINITIONS[name]]
        return self.command(self.tollwatch, *arguments, *more)

    def statements(self, name):
        """Athena's statements, by name: `calls`, and a query a table."""
        compiled = json.loads(self.compiled("athena", name, "--json"))
        names = [f"{table['party']}:{table['level']}" for table in compiled["tables"]]
        return {name_of: self.compiled("athena", name, "--only", name_of) for name_of in ["calls", "check", *names]}

    def report(self, engine, name, expected, found):
        if expected.keys() != found.keys():
            self.failed += 1
            print(f"{engine} {name}: tables {sorted(found)}, not {sorted(expected)}")
        for table in sorted(expected.keys() & found.keys()):
            result = compare(expected[table], found[table])
            verdict = "equal" if result.wrong == 0 else f"{result.wrong} DIFFERENCES"
            print(
                f"  {engine:7} {name:8} {table:14} {result.rows:6} rows {result.columns:4} columns "
                f"{result.values:8} values, largest difference {result.largest:.1e}: {verdict}"
            )
            for example in result.examples:
                print(f"    {example}")
            self.failed += bool(result.wrong)

    def make_mistakes(self, name, expected, statements, duck):
        """Wrong SQL must be found wrong: otherwise the comparison proves nothing."""
        for mistake in MISTAKES:
            if mistake.definitions != name:
                continue
            wrong = {each: sql.replace(mistake.right, mistake.wrong) for each, sql in statements.items()}
            differences = 0
            if wrong != statements:
                found = duck.run({each: wrong[each] for each in ["calls", mistake.table]})
                differences = compare(expected[mistake.table], found[mistake.table]).wrong
            verdict = f"noticed, {differences} differences" if differences else "NOT NOTICED"
            print(f"  mistake {mistake.what}: {verdict}")
            self.failed += not differences

    def parquet(self):
        """The job over Parquet of calls, which knows neither positions nor arrivals: copies are alike there."""
        output = self.folder / "parquet"
        output.mkdir()
        files = sorted((self.folder / "generated").glob("*.jsonl"))
        self.command(self.tollwatch, "import", "--output", output / "calls.parquet", *files)
        self.report("spark", "few", self.batch("few", "parquet"), self.spark("few", "parquet", "parquet"))

    def refuse_underived(self):
        """An archive from before there were derived fields: the check counts its calls, and the job refuses them."""
        statements = self.statements("few")
        with Duck(self.folder / "lines") as duck:
            counts = duck.check(statements)
        session = types.SimpleNamespace(sql=lambda _: types.SimpleNamespace(first=lambda: counts))
        try:
            compute_features.check(session, {"check": ""}, "lines", AS_OF)
            self.failed += 1
            print(f"  an archive without derived fields was not refused: its check says {counts}")
        except compute_features.Refused as refused:
            print(f"  without derived fields: {refused}")


class Duck:
    """DuckDB with the archive as the table that Athena has."""

    def __init__(self, raw):
        self.connection = duckdb.connect()
        # Results must not depend on it.
        self.connection.execute("set timezone = 'Asia/Kolkata'").fetchall()
        columns = json.dumps(duck_columns())
        files = str(raw / "**" / "*.jsonl*")
        self.connection.execute(
            f"create table archive as select * from read_json('{files}', format = 'newline_delimited', columns = {columns})"
        ).fetchall()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def run(self, statements):
        """Makes `calls`, then what each table's query yields."""
        if "check" in statements:
            calls, of_this_plan = self.check(statements)
            assert calls == of_this_plan > 0, f"{of_this_plan} of {calls} calls are of this number plan"
        else:
            self.make_calls(statements)
        tables = {name for name in statements if ":" in name}
        return {name: self.connection.sql(in_duckdb(statements[name])).to_arrow_table() for name in tables}

    def check(self, statements):
        self.make_calls(statements)
        (counts,) = self.connection.execute(in_duckdb(statements["check"])).fetchall()
        return counts

    def make_calls(self, statements):
        self.connection.execute("drop table if exists calls").fetchall()
        self.connection.execute(in_duckdb(statements["calls"]), [AS_OF.isoformat()]).fetchall()


def in_duckdb(athena):
    (statement,) = sqlglot.transpile(athena, read="athena", write="duckdb")
    return statement


def duck_columns():
    texts = "call_id caller callee outcome channel trunk cell_id imei currency caller_ip started_at answered_at ended_at"
    derived = "number_plan caller_country caller_prefix caller_kind callee_country callee_prefix callee_kind"
    struct = lambda names, more="": "STRUCT(" + ", ".join(f"{name} VARCHAR" for name in names.split()) + more + ")"
    return {
        "position": "VARCHAR",
        "arrived_at": "VARCHAR",
        "call": struct(texts, ", cost_micros BIGINT"),
        "derived": struct(derived),
    }


def tables(folders):
    """Parquet below folders PARTY/LEVEL/features, by PARTY:LEVEL."""
    read = {}
    for folder in folders:
        files = sorted(folder.glob("*.parquet"))
        parts = [pyarrow.parquet.ParquetFile(file).read() for file in files]
        read[f"{folder.parent.parent.name}:{folder.parent.name}"] = pyarrow.concat_tables(parts)
    return read


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tollwatch", required=True, type=pathlib.Path, help="the binary")
    parser.add_argument("--folder", required=True, type=pathlib.Path, help="for files, new or empty")
    given = parser.parse_args()
    return Suite(given.tollwatch.resolve(), given.folder.resolve()).run()


if __name__ == "__main__":
    sys.exit(main())
