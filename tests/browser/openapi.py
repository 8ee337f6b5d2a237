"""The OpenAPI document: given to a validator, and held against what the service really takes and answers."""

import base64
import copy
import json
import urllib.error
import urllib.parse
import urllib.request

import jsonschema
import openapi_spec_validator
import yaml

SERVICE = "/tollwatch.v1.FeatureService"


def check(report, url, number):
    text, headers = fetch(url, "/openapi.yaml")
    report.check("the document is YAML", headers["content-type"] == "application/yaml", headers["content-type"])
    document = yaml.safe_load(text)
    problems = [error.message for error in openapi_spec_validator.OpenAPIV31SpecValidator(document).iter_errors()]
    report.check("the document is OpenAPI 3.1", document["openapi"].startswith("3.1.") and not problems, problems)
    broken = copy.deepcopy(document)
    broken["paths"][f"{SERVICE}/GetFeatures"]["post"]["responses"] = "none"
    noticed = not openapi_spec_validator.OpenAPIV31SpecValidator(broken).is_valid()
    report.check("the validator notices a broken document", noticed)
    methods = Methods(report, url, document)

    methods.post("GetFeatures", {"number": number})
    methods.post("GetFeatures", {"number": number, "level": "LEVEL_PREFIX", "party": "PARTY_CALLER", "features": ["calls"]})
    methods.post("GetFeatures", {"number": number, "asOf": "2020-01-01T00:00:00Z"})
    entities = [{"number": number}, {"number": "anonymous"}, {"number": number, "level": "LEVEL_RANGE"}]
    batch = methods.post("BatchGetFeatures", {"entities": entities, "features": ["calls_7d", "velocity_7d"]})
    said = ["error" in result for result in batch["results"]]
    report.check("a batch has both answers and errors", said == [False, True, False], said)
    methods.post("GetSeries", {"number": number})
    methods.post("GetSeries", {"number": number, "feature": "mean_talk_ms", "level": "LEVEL_PREFIX"})
    listed = methods.post("ListFeatures", {})
    query = urllib.parse.urlencode({"encoding": "json", "message": "{}", "connect": "v1"})
    got, _ = fetch(url, f"{SERVICE}/ListFeatures?{query}")
    report.check("a method without side effects is a GET too", json.loads(got) == listed)
    others = [path for path, operations in document["paths"].items() if "get" in operations]
    report.check("no other method is a GET", others == [f"{SERVICE}/ListFeatures"], others)
    for path in document["paths"]:
        if path != others[0]:
            status = status_of(url, f"{path}?{query}")
            report.check(f"{path} refuses a GET", status >= 400, status)
    methods.post("GetFeatures", {"user_id": number, "ip_address": "192.0.2.1"}, service="/FeatureService")
    methods.post("GetFeatures", {"userId": number}, service="/FeatureService")

    methods.refused("GetFeatures", {"number": "anonymous"}, "invalid_argument", "number_anonymous")
    methods.refused("GetSeries", {"number": number, "feature": "call"}, "invalid_argument", "feature_unknown")
    methods.refused("BatchGetFeatures", {}, "invalid_argument", "entities_missing")
    # What the schemas would let through if they said nothing.
    value = {"id": "calls_5m", "integer": "1", "party": "PARTY_CALLER"}
    odd = [{**value, "number": 1.0}, {**value, "integer": 1}, {**value, "party": "PARTY_BOTH"}, {**value, "new": 1}]
    wrong = [answer for answer in odd if methods.problem("tollwatch.v1.FeatureValue", answer) is None]
    report.check("the schemas refuse what is none of theirs", not wrong, wrong)
    right = methods.problem("tollwatch.v1.FeatureValue", value)
    report.check("the schemas take what is theirs", right is None, right)


class Methods:
    """Calls methods, and holds requests and answers against the schemas that the document gives them."""

    def __init__(self, report, url, document):
        self.report = report
        self.url = url
        self.document = document
        # Readers must let new fields pass; here one that the document does not have is a mistake.
        self.closed = copy.deepcopy(document)
        for schema in self.closed["components"]["schemas"].values():
            if schema["type"] == "object" and "additionalProperties" not in schema:
                schema["additionalProperties"] = False

    def post(self, method, request, service=SERVICE):
        operation = self.document["paths"][f"{service}/{method}"]["post"]
        name = f"{service}/{method} {json.dumps(request)[:60]}"
        sent = self.problem(schema_of(operation["requestBody"]), request, closed="user_id" not in request)
        self.report.check(f"{name}: the request fits its schema", sent is None, sent)
        text, _ = fetch(self.url, f"{service}/{method}", request)
        answer = json.loads(text)
        got = self.problem(schema_of(operation["responses"]["200"]), answer)
        self.report.check(f"{name}: the answer fits its schema", got is None, got)
        return answer

    def refused(self, method, request, code, reason):
        name = f"{method} {json.dumps(request)[:60]}"
        try:
            fetch(self.url, f"{SERVICE}/{method}", request)
        except urllib.error.HTTPError as error:
            answer = json.loads(error.read())
            problem = self.problem("connect.Error", answer)
            self.report.check(f"{name}: the error fits its schema", problem is None and answer["code"] == code, problem or answer)
            description = self.document["components"]["responses"]["Error"]["description"]
            self.report.check(f"{name}: the status is that of the document", f"- `{code}`: {error.status}\n" in description, error.status)
            detail = answer["details"][0]
            known = detail["type"] in self.document["components"]["schemas"]
            told = reason.encode() in base64.b64decode(detail["value"] + "==")
            self.report.check(f"{name}: the detail is of the document", known and told, detail)
        else:
            self.report.check(f"{name}: is refused", False, "it was answered")

    def problem(self, schema, value, closed=True):
        document = self.closed if closed else self.document
        schema = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
        validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
        error = next(validator.iter_errors(value), None)
        return error and f"{error.json_path}: {error.message}"[:300]


def schema_of(body):
    return body["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]


def fetch(url, path, request=None):
    body = None if request is None else json.dumps(request).encode()
    headers = {} if request is None else {"content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url + path, body, headers), timeout=60) as response:
        return response.read().decode(), response.headers


def status_of(url, path):
    try:
        with urllib.request.urlopen(url + path, timeout=60) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.status
