"""The deployment rehearsed without an account: resources and variables as in infra/template.yaml, the functions on
cargo-lambda's Runtime API, whole events of Kinesis, Firehose, the scheduler and function URLs, and every answer compared
with a plain count. Ends with 1 if anything is not as it must be.
"""

import argparse
import base64
import collections
import datetime
import gzip
import json
import pathlib
import sys

from account import Account, ROOT
from calls import CALLERS, counted, made, shown
from events import aggregate, firehose_event, kinesis_event
from template import Template

CALLS = 400
SEED = 20261121
# Of the calls so many are sent over HTTP, and the others by a producer that aggregates.
OVER_HTTP = 300
# Records that no parser takes.
BROKEN = [b"no call", b'{"call_id": "broken"}']
BATCH_RECORDS = 90
GET_FEATURES = "/tollwatch.v1.FeatureService/GetFeatures"
JSON = {"content-type": "application/json"}


class Rehearsal:
    def __init__(self, account, now):
        self.account = account
        self.now = now
        self.calls = made(CALLS, now, SEED)
        self.expected = counted(self.calls)
        self.stream = account.template.known[next(iter(account.template.of_type("AWS::Kinesis::Stream")))]
        self.failed = 0
        self.compared = 0

    def fact(self, what, is_so, seen=""):
        self.failed += not is_so
        print(f"- {what}{'' if is_so else f': NOT SO, {seen}'}", flush=True)

    def ingest(self):
        """Calls over HTTP, some twice, as a producer that got no answer would."""
        sent = self.calls[:OVER_HTTP]
        body = json.dumps([*sent, {"call_id": "half"}]).encode()
        status, answer = self.account.post("IngestCalls", "/v1/calls", body, JSON)
        results = answer.get("results", [])
        accepted = [each for each in results if each.get("status") == "accepted"]
        is_so = status == 207 and len(accepted) == len(sent) and len(results) == len(sent) + 1
        self.fact(f"ingest-calls took {len(sent)} calls and refused one by name", is_so, f"{status} {answer}"[:500])
        status, _ = self.account.post("IngestCalls", "/v1/calls", json.dumps(sent[:50]).encode(), JSON)
        self.fact("it takes a batch again", status == 202, status)
        status, answer = self.account.post("IngestCalls", "/v1/calls", b"{", JSON)
        digits = [number for number in CALLERS if number[1:] in json.dumps(answer)]
        self.fact("it refuses what is no JSON, and repeats no number", status == 400 and not digits, f"{status} {answer}")

    def produce(self):
        """The other calls in aggregates, and what is no call."""
        kinesis = self.account.client("kinesis")
        rest = [json.dumps(call).encode() for call in self.calls[OVER_HTTP:]]
        for first in range(0, len(rest), 20):
            record = aggregate(rest[first : first + 20])
            kinesis.put_record(StreamName=self.stream, Data=record, PartitionKey=f"aggregate-{first}")
        for record in BROKEN:
            kinesis.put_record(StreamName=self.stream, Data=record, PartitionKey="broken")

    def batches(self):
        """What is on the stream, by shard, in the batches of a mapping."""
        kinesis = self.account.client("kinesis")
        for shard in kinesis.list_shards(StreamName=self.stream)["Shards"]:
            name = shard["ShardId"]
            start = {"StreamName": self.stream, "ShardId": name, "ShardIteratorType": "TRIM_HORIZON"}
            iterator = kinesis.get_shard_iterator(**start)["ShardIterator"]
            records = []
            while True:
                got = kinesis.get_records(ShardIterator=iterator, Limit=1000)
                if not got["Records"]:
                    break
                records += got["Records"]
                iterator = got["NextShardIterator"]
            for first in range(0, len(records), BATCH_RECORDS):
                yield name, records[first : first + BATCH_RECORDS]

    def count(self, batches):
        """Each batch twice, as Lambda may deliver it."""
        wrong = []
        for shard, records in [batch for batch in batches for _ in range(2)]:
            answer, is_error = self.account.invoke("CountCalls", kinesis_event(self.stream, shard, records))
            if is_error or answer != {"batchItemFailures": []}:
                wrong.append(answer)
        self.fact(f"count-calls took {len(batches)} batches, each twice", not wrong, wrong[:1])
        s3, known = self.account.client("s3"), self.account.template.known
        variables = self.account.template.environment("CountCalls")
        bucket = variables["QUARANTINE"].removeprefix("s3://").split("/")[0]
        kept = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        self.fact("what is no call lies in quarantine, once", len(kept) == len(BROKEN), [each["Key"] for each in kept])
        queue = variables["QUARANTINE_QUEUE_URL"]
        asked = ["ApproximateNumberOfMessages"]
        told = self.account.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=asked)["Attributes"]
        # A redelivery tells of it again.
        is_told = int(told[asked[0]]) == 2 * len(BROKEN)
        self.fact("and its queue was told", is_told and queue in known.values(), told)

    def count_beyond_its_time(self, batches):
        """A function without its table must not say that it is done."""
        shard, records = batches[0]
        variables = self.account.template.environment("CountCalls")
        dynamodb = self.account.client("dynamodb")
        described = dynamodb.describe_table(TableName=variables["TILE_TABLE"])["Table"]
        dynamodb.delete_table(TableName=variables["TILE_TABLE"])
        answer, is_error = self.account.invoke("CountCalls", kinesis_event(self.stream, shard, records))
        first = records[0]["SequenceNumber"]
        failures = [] if is_error else answer["batchItemFailures"]
        is_so = is_error or [each["itemIdentifier"] for each in failures] == [first]
        self.fact("without its table count-calls asks for the batch again", is_so, answer)
        made = {part: described[part] for part in ["AttributeDefinitions", "KeySchema"]}
        dynamodb.create_table(TableName=variables["TILE_TABLE"], BillingMode="PAY_PER_REQUEST", **made)

    def archive(self, batches):
        """What Firehose does with the function's answer: lines one after the other, compressed, under raw/."""
        bucket = self.account.template.environment("RecomputeFeatures")["INPUT"].removeprefix("s3://").split("/")[0]
        lines = collections.Counter()
        wrong = []
        for n, (shard, records) in enumerate(batches):
            event = firehose_event(self.stream, shard, records)
            answer, is_error = self.account.invoke("ArchiveCalls", event)
            results = [] if is_error else answer["records"]
            ids = [each["recordId"] for each in event["records"]]
            if [each["recordId"] for each in results] != ids or any(each["result"] != "Ok" for each in results):
                wrong.append(answer)
                continue
            data = b"".join(base64.b64decode(each["data"]) for each in results)
            lines.update("call" in json.loads(line) for line in data.splitlines())
            hour = records[0]["ApproximateArrivalTimestamp"].astimezone(datetime.UTC).strftime("%Y/%m/%d/%H")
            key = f"raw/{hour}/rehearsal-{n}.jsonl.gz"
            self.account.client("s3").put_object(Bucket=bucket, Key=key, Body=gzip.compress(data))
        self.fact("archive-calls answered every record", not wrong, f"{wrong[:1]}"[:500])
        # 50 calls were sent twice.
        is_so = lines == {True: CALLS + 50, False: len(BROKEN)}
        self.fact("its lines are the calls, and the bytes of what is none", is_so, lines)

    def recompute(self):
        """The day of the newest calls, which a scheduled run would compute tomorrow."""
        event = {"scheduled_time": shown(self.now), "as_of": self.now.date().isoformat()}
        answer, is_error = self.account.invoke("RecomputeFeatures", event)
        published = not is_error and answer.get("published") == "snapshot"
        as_of = self.now.date().isoformat()
        self.fact("recompute-features published a snapshot", published and answer["as_of"] == as_of, answer)
        if published:
            calls = answer["calls"]
            is_so = calls["counted"] == CALLS and calls["duplicates"] == 50
            self.fact("it counted each call once", is_so, calls)
        again, is_error = self.account.invoke("RecomputeFeatures", event)
        self.fact("a second run finds nothing new", not is_error and again.get("published") == "nothing", again)

    def serve(self, window):
        """Every caller's values, against the plain count."""
        wrong = []
        for caller, expected in self.expected.items():
            wanted = [f"{name}_{window}" for name in expected]
            body = json.dumps({"number": caller, "features": wanted}).encode()
            status, answer = self.account.post("ServeFeatures", GET_FEATURES, body, JSON)
            values = {each["id"]: int(each.get("integer", -1)) for each in answer.get("values", [])}
            found = {name: values.get(f"{name}_{window}") for name in expected}
            self.compared += len(expected)
            if status != 200 or found != expected:
                wrong.append((status, found, expected, answer.get("degradedReasons"), answer.get("message")))
        self.fact(f"serve-features answered {window} windows of {len(self.expected)} callers", not wrong, wrong[:2])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ["binaries", "endpoints", "folder"]:
        parser.add_argument(f"--{name}", required=True, type=lambda text: pathlib.Path(text).resolve())
    given = parser.parse_args()
    template = Template(ROOT / "infra" / "template.yaml", {})
    account = None
    try:
        account = Account(template, given.binaries, given.endpoints, given.folder)
        rehearsal = Rehearsal(account, datetime.datetime.now(datetime.UTC))
        rehearsal.ingest()
        rehearsal.produce()
        batches = list(rehearsal.batches())
        rehearsal.count_beyond_its_time(batches)
        rehearsal.count(batches)
        rehearsal.serve("24h")
        rehearsal.archive(batches)
        rehearsal.recompute()
        # Up to 30 s it would trust that there is no snapshot.
        account.restart("ServeFeatures")
        rehearsal.serve("7d")
        print(f"{rehearsal.compared} values compared, {rehearsal.failed} facts do not hold")
        if rehearsal.failed:
            print("\n".join(account.logs()), file=sys.stderr)
        return 1 if rehearsal.failed else 0
    finally:
        if account:
            account.close()


if __name__ == "__main__":
    sys.exit(main())
