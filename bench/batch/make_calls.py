"""Writes synthetic calls as Tollwatch's Parquet: a file a day, calls in the order of their beginning. The same
arguments give the same calls.

All numbers are of +1, so that a peer without a number plan can tell prefixes, and no call is there twice, for peers do
not look. The calls of `tollwatch generate` are of many countries, with copies and fraud.
"""

import argparse
import datetime
import pathlib

import numpy as np
import polars as pl

import task

DAYS = 90
AREA_CODES = [
    202, 203, 205, 206, 210, 212, 213, 214, 215, 216, 224, 240, 248, 267, 281, 301, 303, 305, 310, 312, 313, 314, 317,
    323, 336, 347, 404, 407, 408, 410, 412, 415, 425, 469, 480, 502, 503, 510, 512, 561, 571, 602, 612, 615, 617, 619,
    626, 630, 646, 650, 702, 703, 704, 713, 714, 718, 720, 732, 757, 770, 773, 786, 801, 804, 813, 816, 818, 832, 847,
    858, 901, 909, 916, 917, 919, 925, 949, 954, 972, 973,
]  # fmt: skip
OUTCOMES = ["answered", "no_answer", "busy", "failed", "canceled"]
OUTCOME_SHARES = [0.64, 0.19, 0.06, 0.04, 0.07]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--phones", type=int, required=True)
    parser.add_argument("--as-of", type=datetime.date.fromisoformat, required=True)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()

    dice = np.random.default_rng(given.seed)
    phones = make_phones(dice, given.phones)
    # Log-normal activity, as `tollwatch generate` has it: a few phones place most calls.
    reach = np.cumsum(dice.lognormal(sigma=0.9, size=given.phones))
    days = [given.as_of - datetime.timedelta(days=ago) for ago in reversed(range(DAYS))]
    weights = np.array([0.7 if day.weekday() >= 5 else 1.1 for day in days])
    given.folder.mkdir(parents=True)
    for day, calls in zip(days, dice.multinomial(given.calls, weights / weights.sum())):
        make_day(dice, phones, reach, day, int(calls)).write_parquet(
            given.folder / f"calls-{day}.parquet", compression="zstd", compression_level=1
        )


def make_phones(dice, count):
    """Different numbers, those of a block of 10,000 beside each other."""
    exchanges = np.array([n for n in range(220, 1000) if n % 100 != 11])
    most = len(AREA_CODES) * len(exchanges)
    blocks = dice.choice(most, size=min(most, max(1, count // 20)), replace=False)
    chosen = dice.choice(len(blocks) * 10_000, size=count, replace=False)
    block, line = blocks[chosen // 10_000], chosen % 10_000
    area = np.array(AREA_CODES)[block // len(exchanges)]
    national = (area * 1_000 + exchanges[block % len(exchanges)]) * 10_000 + line
    return pl.Series((10_000_000_000 + national).astype(np.int64)).cast(pl.String).str.replace("^", "+")


def make_day(dice, phones, reach, day, calls):
    midnight_ms = task.day_number(day) * task.DAY_MS
    started = midnight_ms + np.sort((dice.beta(3.0, 2.2, size=calls) * task.DAY_MS).astype(np.int64))
    outcome = dice.choice(len(OUTCOMES), size=calls, p=OUTCOME_SHARES)
    is_answered = pl.Series(outcome == 0)
    ringing = 500 + dice.lognormal(mean=np.log(7_000), sigma=0.5, size=calls).astype(np.int64)
    talk = dice.lognormal(mean=np.log(60_000), sigma=1.25, size=calls).clip(max=4 * 3_600_000).astype(np.int64)
    caller = np.searchsorted(reach, dice.random(calls) * reach[-1], side="right").clip(max=len(phones) - 1)
    callee = dice.integers(len(phones), size=calls)
    call_ids = np.frombuffer(dice.bytes(8 * calls).hex().encode(), dtype="S16").astype("U16")
    time = pl.Datetime("ms", "UTC")
    return pl.DataFrame({
        "call_id": pl.Series(call_ids.tolist(), dtype=pl.String),
        "caller": phones.gather(caller),
        "callee": phones.gather(callee),
        "started_at": pl.Series(started).cast(time),
        "answered_at": pl.Series(started + ringing).cast(time),
        "ended_at": pl.Series(started + ringing + np.where(outcome == 0, talk, 0)).cast(time),
        "outcome": pl.Series(OUTCOMES).gather(outcome),
        "channel": pl.repeat("voice", calls, eager=True),
        "trunk": pl.Series([f"trunk-{n}" for n in range(40)]).gather(dice.integers(40, size=calls)),
        "cell_id": pl.Series([f"310-260-{n}" for n in range(5_000)]).gather(dice.integers(5_000, size=calls)),
    }).with_columns(answered_at=pl.when(is_answered).then("answered_at"))


if __name__ == "__main__":
    main()
