"""What every client asks, and answers in one form."""

import base64
import dataclasses
import json
import re

from google.protobuf import json_format

# Of an error's detail; the message in it is the error's.
DETAIL = "tollwatch.v1.FeatureError"


# What may differ: how far ahead of the clock a moment is, and that the Lambda answers half as many values at once.
DIFFERENT = [(r"\d+ \w+ ahead", "some time ahead"), (r"at most (40000|20000) are answered", "at most some are answered")]

# When a process last looked for a newer snapshot.
OF_PROCESSES = {"snapshotCheckedAt"}
# A series has no moment to ask about: it is of the clock at which it is answered.
OF_NOW = {"tollwatch.v1.GetSeriesResponse": {"asOf"}}


@dataclasses.dataclass(frozen=True)
class Question:
    name: str
    service: str
    method: str
    request: dict
    # Clients may send it as a GET.
    is_safe: bool = False

    @property
    def path(self):
        return f"/{self.service}/{self.method}"


def questions(number, as_of):
    """`as_of` is past, so that the answers stay."""
    features = "tollwatch.v1.FeatureService"
    at = {"asOf": as_of}
    get = lambda name, **request: Question(name, features, "GetFeatures", {"number": number} | at | request)
    batch = lambda name, **request: Question(name, features, "BatchGetFeatures", at | request)
    series = lambda name, **request: Question(name, features, "GetSeries", {"number": number} | request)
    few = {"features": ["calls_7d", "mean_talk_ms_1h", "velocity_7d"]}
    return [
        get("a phone, everything"),
        get("a phone, three features", **few),
        get("one side", party="PARTY_CALLER"),
        get("its prefix", level="LEVEL_PREFIX"),
        get("its range", level="LEVEL_RANGE"),
        get("a phone with its prefix and range", moreLevels=["LEVEL_PREFIX", "LEVEL_RANGE"]),
        get("a number that never called", number="+12025550199", **few),
        batch(
            "a batch with one refused",
            entities=[{"number": number}, {"number": "anonymous"}, {"number": number, "level": "LEVEL_PREFIX"}],
        ),
        batch("a batch of 50", entities=[{"number": number}] * 50, features=["calls"]),
        series("a series"),
        series("a series of its prefix, of one feature", level="LEVEL_PREFIX", feature="distinct_callees"),
        Question("the list", features, "ListFeatures", {}, is_safe=True),
        Question("the older service", "FeatureService", "GetFeatures", {"userId": number, "ipAddress": "192.0.2.1"}),
        get("no number", number=""),
        get("anonymous", number="anonymous"),
        get("no number of this world", number="+99912"),
        get("Unicode", number="٣٤٥ “ñ” 😀"),
        get("a feature that is none", features=["cals_7d"]),
        series("a series of a window", feature="calls_7d"),
        get("a level twice", number="range:+1202555", level="LEVEL_PREFIX"),
        get("a party from the future", party=9),
        get("the future", asOf="2999-01-01T00:00:00Z"),
        batch("an empty batch"),
        batch("a batch of 1,001", entities=[{"number": number}] * 1_001),
        batch("too many values", entities=[{"number": number}] * 1_000),
        Question("older, no number", "FeatureService", "GetFeatures", {}),
    ]


class Messages:
    """The messages of the questions, as grpcio's generated code has them."""

    def __init__(self):
        import legacy_feature_service_pb2
        from tollwatch.v1 import feature_service_pb2

        files = [feature_service_pb2.DESCRIPTOR, legacy_feature_service_pb2.DESCRIPTOR]
        self.services = {service.full_name: service for file in files for service in file.services_by_name.values()}
        self.error = feature_service_pb2.FeatureError

    def method(self, question):
        return self.services[question.service].methods_by_name[question.method]

    def request(self, question):
        made = self.method(question).input_type._concrete_class()
        return json_format.ParseDict(question.request, made)

    def of_bytes(self, question, message):
        return answer(self.method(question).output_type._concrete_class.FromString(message))

    def of_json(self, question, text):
        """Unknown fields are errors here."""
        return answer(json_format.Parse(text, self.method(question).output_type._concrete_class()))

    def of_error(self, code, message, details):
        """`details` are pairs of a type and bytes."""
        error = {"code": code, "message": message}
        for type_, value in details:
            detail = self.error.FromString(value) if type_.rsplit("/")[-1] == DETAIL else None
            error[type_.rsplit("/")[-1]] = value.hex() if detail is None else json_format.MessageToDict(detail)
        text = json.dumps(error, ensure_ascii=False)
        for pattern, replacement in DIFFERENT:
            text = re.sub(pattern, replacement, text)
        return {"error": json.loads(text)}

    def of_connect_error(self, error):
        """As Connect has it in JSON."""
        details = [(detail["type"], unpadded(detail["value"])) for detail in error.get("details", [])]
        return self.of_error(error["code"], error.get("message", ""), details)


def answer(message):
    """Every field, those that are not set too."""
    changing = OF_PROCESSES | OF_NOW.get(message.DESCRIPTOR.full_name, set())
    return {"answer": steady(json_format.MessageToDict(message, always_print_fields_with_no_presence=True), changing)}


def steady(value, changing):
    """The value, where moments that another process or another try has otherwise are the same."""
    if isinstance(value, dict):
        return {name: "a moment" if name in changing else steady(each, changing) for name, each in value.items()}
    return [steady(each, changing) for each in value] if isinstance(value, list) else value


def unpadded(text):
    return base64.b64decode(text + "=" * (-len(text) % 4))


def differences(expected, found, at=""):
    """Where two answers differ, field by field."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in sorted(expected.keys() | found.keys()):
            yield from differences(expected.get(name), found.get(name), f"{at}.{name}" if at else name)
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, pair in enumerate(zip(expected, found)):
            yield from differences(*pair, f"{at}[{index}]")
    elif expected != found:
        yield f"{at}: {shortened(found)}, not {shortened(expected)}"


def fields(value):
    """How many values were compared."""
    if isinstance(value, dict):
        return sum(fields(each) for each in value.values())
    if isinstance(value, list):
        return sum(fields(each) for each in value)
    return 1


def shortened(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 120 else f"{text[:117]}..."
