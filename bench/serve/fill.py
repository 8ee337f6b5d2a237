"""Puts the values of a CSV file into Redis, for Feast and for the Python service: `fill.py VALUES REPOSITORY PORT`."""

import datetime
import sys

import pandas
import redis
from feast import FeatureStore

import features

ROWS = 10_000


def main():
    values, repository, port = sys.argv[1:]
    store = FeatureStore(repo_path=repository)
    store.apply([features.phone, features.calls, features.service])
    client = redis.Redis(port=int(port))
    whole = [f"{measure}_{days}d" for measure, dtype in features.MEASURES.items() for days in features.DAYS
             if dtype is features.Int64]
    for rows in pandas.read_csv(values, dtype={"phone": str}, chunksize=ROWS):
        # The text of a feature in the older interface is that of the CSV file.
        with client.pipeline(transaction=False) as pipeline:
            for row in rows.astype({name: int for name in whole}).astype(str).to_dict("records"):
                pipeline.hset(f"features:{row.pop('phone')}", mapping=row)
            pipeline.execute()
        rows["event_timestamp"] = datetime.datetime(2026, 11, 21, tzinfo=datetime.timezone.utc)
        store.write_to_online_store("calls", rows.astype({name: int for name in whole}))


main()
