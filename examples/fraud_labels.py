"""Makes labels of synthetic calls: numbers of planted fraud while it is at work, and other callers.

    tollwatch generate --subscribers 2000 --days 30 --output calls
    python examples/fraud_labels.py calls labels.csv

Needs pandas and pyarrow.
"""

import pathlib
import random
import sys

import pandas

calls, out = pathlib.Path(sys.argv[1]), sys.argv[2]
dice = random.Random(0)
# As text: pandas takes +12025550101 for a number, and the + would be gone.
planted = pandas.read_csv(calls / "labels.csv", parse_dates=["start", "end"], dtype={"number": str})
callers = planted[planted["role"] == "caller"]

rows = []
for fraud in callers.itertuples():
    at = fraud.start + (fraud.end - fraud.start) * dice.random()
    rows.append((fraud.number, at, 1))
for file in sorted(calls.glob("*.parquet")):
    day = pandas.read_parquet(file, columns=["caller", "started_at"])
    day = day[~day["caller"].isin(planted["number"]) & (day["caller"] != "anonymous")]
    for call in day.sample(min(len(day), 60), random_state=0).itertuples():
        rows.append((call.caller, call.started_at + pandas.Timedelta(minutes=dice.randrange(1, 120)), 0))

labels = pandas.DataFrame(rows, columns=["number", "time", "label"])
labels["time"] = labels["time"].map(lambda at: at.isoformat())
labels["party"] = "caller"
labels.to_csv(out, index=False)
print(f"{len(labels)} labels, {labels['label'].sum()} of them fraud")
