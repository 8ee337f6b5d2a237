"""What every peer is asked for, and how it reports.

A peer is started as `with_NAME.py CALLS OUTPUT --as-of DATE --threads N`. It reads the Parquet files in CALLS, writes
OUTPUT/phone, OUTPUT/prefix and OUTPUT/range, and prints one line of JSON.
"""

import argparse
import datetime
import json
import pathlib
import time

WINDOWS = [1, 7, 30, 90]
DAY_MS = 86_400_000

# All calls are between numbers of +1: a prefix is that and the area code, a range all but the last 4 digits.
PREFIX_CHARS = 5
RANGE_DIGITS = 4


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("calls", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--as-of", type=datetime.date.fromisoformat, required=True)
    parser.add_argument("--threads", type=int, required=True)
    return parser.parse_args()


def day_number(date):
    """Days since 1970."""
    return date.toordinal() - datetime.date(1970, 1, 1).toordinal()


def level_folders(output):
    """The folders of the three levels, made."""
    folders = {level: output / level for level in ("phone", "prefix", "range")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    return folders


class Stopwatch:
    """Seconds of the work alone, without imports and the start of an engine."""

    def __init__(self):
        self.started = time.perf_counter()

    def report(self):
        seconds = time.perf_counter() - self.started
        print(json.dumps({"seconds": seconds, "peak_mb": peak_mb()}))


def peak_mb():
    """Most memory that this process and those it started have had: Spark's is in a JVM of its own."""
    parents = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name stands in brackets and may hold spaces; the parent is the second field behind it.
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            pass  # It has ended.
    ours = {int(pathlib.Path("/proc/self").resolve().name)}
    while True:
        children = {process for process, parent in parents.items() if parent in ours} - ours
        if not children:
            break
        ours |= children
    return sum(peak_kb(process) for process in ours) / 1024


def peak_kb(process):
    try:
        lines = pathlib.Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
