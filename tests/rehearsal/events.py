"""Events as AWS documents them: Kinesis batches for a function, and what Firehose gives its transformation."""

import base64
import hashlib

MAGIC = b"\xf3\x89\x9a\xc2"


def text(data):
    return base64.b64encode(data).decode()


def kinesis_event(stream, shard, records):
    """https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html; `records` are those of GetRecords."""
    arn = f"arn:aws:kinesis:us-east-1:000000000000:stream/{stream}"
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": record["PartitionKey"],
                    "sequenceNumber": record["SequenceNumber"],
                    "data": text(record["Data"]),
                    "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"{shard}:{record['SequenceNumber']}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::000000000000:role/rehearsal",
                "awsRegion": "us-east-1",
                "eventSourceARN": arn,
            }
            for record in records
        ]
    }


def firehose_event(stream, shard, records):
    """https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html, of a delivery stream that reads a
    Kinesis stream. Firehose takes aggregates apart before; here they come whole, which the function must know too."""
    return {
        "invocationId": f"rehearsal-{shard}",
        "deliveryStreamArn": "arn:aws:firehose:us-east-1:000000000000:deliverystream/rehearsal",
        "sourceKinesisStreamArn": f"arn:aws:kinesis:us-east-1:000000000000:stream/{stream}",
        "region": "us-east-1",
        "records": [
            {
                "recordId": record["SequenceNumber"] + "000000",
                "approximateArrivalTimestamp": int(record["ApproximateArrivalTimestamp"].timestamp() * 1000),
                "data": text(record["Data"]),
                "kinesisRecordMetadata": {
                    "shardId": shard,
                    "partitionKey": record["PartitionKey"],
                    "approximateArrivalTimestamp": int(record["ApproximateArrivalTimestamp"].timestamp() * 1000),
                    "sequenceNumber": record["SequenceNumber"],
                    "subsequenceNumber": 0,
                },
            }
            for record in records
        ],
    }


def aggregate(payloads):
    """A record of the Kinesis Producer Library that holds several
    (https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md)."""

    def varint(number):
        out = b""
        while number > 127:
            out += bytes([number & 127 | 128])
            number >>= 7
        return out + bytes([number])

    def field(number, data):
        return varint(number << 3 | 2) + varint(len(data)) + data

    message = field(1, b"key")
    for payload in payloads:
        message += field(3, varint(1 << 3) + varint(0) + field(3, payload))
    return MAGIC + message + hashlib.md5(message).digest()
