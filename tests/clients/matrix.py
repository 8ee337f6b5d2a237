"""Asks one running system the same questions with every client, natively and through the Lambda, and compares all
answers field by field. Prints a table in Markdown; ends with 1 if anything is not as it is documented.
"""

import argparse
import datetime
import functools
import importlib.metadata
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading

import grpc
from askers import ROOT, Browser, Clients, run
from function_url import FunctionUrl
from grpc_health.v1 import health_pb2, health_pb2_grpc
from questions import Messages, differences, fields, questions

FEATURES = "tollwatch.v1.FeatureService"
DOCUMENT = ROOT / "docs" / "clients.md"
# The addresses in it.
NATIVE = "http://127.0.0.1:50051"
AWS = "https://ID.lambda-url.us-east-1.on.aws"
# What the answers to its commands have in them.
ANSWERED = re.compile('calls_7d|count_phone_7d|SERVING|invalid_argument|"minutes":')
# A first start makes a week of calls; a debug build takes a minute or two.
UP_SECS_MAX = 600
# Calls come in while clients ask, and the older service has no moment to ask about: what differs is asked again if the
# expected answer is another one by now.
TRIES = 5


class System:
    """`tollwatch up`, and the Lambda over its tables and snapshots."""

    def __init__(self, tollwatch, serve_features, folder):
        self.log = (folder / "system.log").open("w+b")
        command = [tollwatch, "up", "--folder", folder / "state", "--port", "0", "--seed", "3"]
        few = ["--rate", "0.1", "--subscribers", "20", "--batch-every", "24h"]
        self.up = subprocess.Popen([*command, *few], stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.function = None
        told = ""
        # It says when it is up.
        timer = threading.Timer(UP_SECS_MAX, self.up.kill)
        timer.start()
        while "Ctrl-C ends it" not in told:
            line = self.up.stdout.readline()
            if not line:
                raise SystemExit(f"tollwatch up ended: {(folder / 'system.log').read_text()}")
            told += line
        timer.cancel()
        self.native = re.search(r"service +(\S+)", told)[1]
        self.number = re.search(r"tollwatch get (\S+)", told)[1]
        dynamodb, table = re.search(r"DynamoDB +(\S+) +table (\S+)", told).groups()
        environment = {"TILE_TABLE": table, "DATA": str(folder / "state"), "AWS_ENDPOINT_URL_DYNAMODB": dynamodb}
        self.function = FunctionUrl([serve_features], environment, self.log, processes=2)
        self.aws = self.function.url

    def close(self):
        self.function.close()
        self.up.send_signal(signal.SIGINT)
        self.up.wait(60)


class Matrix:
    def __init__(self, system, clients, questions):
        self.system = system
        self.clients = clients
        self.questions = questions
        self.rows = []
        # The expected answers, as they were last.
        self.known = {}
        self.failed = 0
        self.compared = 0

    def expected(self, question):
        """grpcio's answer over native gRPC."""
        return self.clients.stubs(self.system.native, question)

    def is_equal(self, client, url, question, ask):
        """Whether an answer is the expected one, after calls that came in between are ruled out."""
        for _ in range(TRIES):
            expected = self.known.setdefault(question.name, None) or self.expected(question)
            found = ask(url, question)
            wrong = list(differences(expected, found))
            self.known[question.name] = self.expected(question) if wrong else expected
            if self.known[question.name] == expected:
                break
        self.compared += fields(expected)
        for each in wrong[:3]:
            print(f"{client} at {url}, {question.name}: {each}", file=sys.stderr)
        return not wrong

    def row(self, client, ask, native=True, aws=True, only=lambda question: True):
        asked = [question for question in self.questions if only(question)]
        cells = []
        for url, wanted in [(self.system.native, native), (self.system.aws, aws)]:
            if wanted is not True:
                cells.append(wanted or "")
                continue
            equal = sum(self.is_equal(client, url, question, ask) for question in asked)
            self.failed += equal != len(asked)
            cells.append(f"{equal} of {len(asked)}")
        self.rows.append([client, *cells])

    def fact(self, what, is_so, seen=""):
        self.failed += not is_so
        print(f"- {what}{'' if is_so else f': NOT SO, {seen}'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ["tollwatch", "serve-features", "npm", "folder"]:
        parser.add_argument(f"--{name}", required=True, type=lambda text: pathlib.Path(text).resolve())
    given = parser.parse_args()
    sys.path.append(str(generated(given.folder)))
    system = System(given.tollwatch, given.serve_features, given.folder)
    try:
        minute = datetime.datetime.now(datetime.UTC).replace(second=0, microsecond=0) - datetime.timedelta(minutes=1)
        asked = questions(system.number, minute.strftime("%Y-%m-%dT%H:%M:%SZ"))
        clients = Clients(Messages(), given.npm, given.folder)
        matrix = Matrix(system, clients, asked)
        check_questions(matrix)
        ask_all(matrix)
        browser = Browser(clients, given.npm, [system.native, system.aws])
        for name in Browser.CLIENTS:
            matrix.row(f"Chromium {browser.version.split('.')[0]}, {name}", functools.partial(browser.ask, name))
        facts(matrix, browser)
        browser.close()
        documented(matrix, given.npm, given.folder)
    finally:
        system.close()
    table(matrix)
    return 1 if matrix.failed else 0


def generated(folder):
    """grpcio's stubs."""
    out = folder / "stubs"
    out.mkdir()
    proto = ROOT / "proto"
    files = ["tollwatch/v1/feature_service.proto", "legacy_feature_service.proto"]
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{proto}",
        f"--python_out={out}",
        f"--grpc_python_out={out}",
    ]
    subprocess.run([*command, *files], check=True)
    return out


def check_questions(matrix):
    """Equal answers prove little if there is nothing in them."""
    answers = {question.name: matrix.expected(question) for question in matrix.questions}
    refused = [name for name, answer in answers.items() if "error" in answer]
    reasons = {
        answers[name]["error"][f"{FEATURES.removesuffix('FeatureService')}FeatureError"]["reason"] for name in refused
    }
    everything = answers["a phone, everything"]["answer"]["values"]
    values = {value.get("integer", value.get("number")) for value in everything}
    matrix.fact(
        f"{len(answers)} questions, {len(refused)} of them refused for {len(reasons)} reasons",
        len(refused) == 13 and len(reasons) == 10,
        reasons,
    )
    matrix.fact(
        f"a phone has {len(everything)} values, {len(values)} different ones",
        len(everything) > 100 and len(values) > 20,
    )
    series = answers["a series"]["answer"]
    points = [point.get("integer") for point in series["minutes"] + series["days"]]
    matrix.fact(
        f"a series has {len(series['minutes'])} minutes and {len(series['days'])} days",
        (len(series["minutes"]), len(series["days"])) == (61, 30) and len(set(points) - {None}) > 2,
        points,
    )
    known = [answers["a phone, everything"], answers["a series"]]
    pairs = [(answer, change) for answer in known for change in changed(answer)]
    noticed = sum(len(list(differences(*pair))) == 1 for pair in pairs)
    every = noticed == len(pairs) > 1_500
    matrix.fact(f"a change of one field, made on purpose, is noticed in all {len(pairs)}", every)
    matrix.fact("the older service answers", len(answers["the older service"]["answer"]["features"]) > 20)


def changed(value):
    """The value with one of its fields changed, for each of them."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            for change in changed(value[key]):
                other = value.copy()
                other[key] = change
                yield other
    else:
        yield [value]


def ask_all(matrix):
    clients = matrix.clients
    buf = lambda protocol, *more: lambda url, question: clients.buf(protocol, *more, url=url, question=question)
    version = importlib.metadata.version("grpcio")
    no_grpc = "no native gRPC there"
    matrix.row(f"grpcio {version}, generated code", clients.stubs, aws=no_grpc)
    matrix.row(f"grpcio {version}, reflection", clients.reflection, aws=no_grpc)
    h2 = "--http2-prior-knowledge"
    schema = ["--schema", "."]
    matrix.row("buf curl, gRPC, schema", buf("grpc", h2, *schema), aws=no_grpc)
    matrix.row("buf curl, gRPC, reflection", buf("grpc", h2), aws=no_grpc)
    for name, protocol in [("gRPC-Web", "grpcweb"), ("Connect", "connect")]:
        matrix.row(f"buf curl, {name}, schema", buf(protocol, *schema))
        matrix.row(f"buf curl, {name}, reflection", buf(protocol, h2), aws="no reflection there")
    matrix.row("curl, Connect JSON", clients.post)
    matrix.row("curl, Connect JSON in gzip", clients.post_compressed)
    matrix.row("curl, Connect protobuf", clients.post_binary)
    safe = lambda question: question.is_safe
    matrix.row("curl, Connect GET, JSON", clients.get, only=safe)
    matrix.row("curl, Connect GET, protobuf", functools.partial(clients.get, encoding="proto"), only=safe)


def facts(matrix, browser):
    clients, native, aws = matrix.clients, matrix.system.native, matrix.system.aws
    health = health_pb2_grpc.HealthStub(clients.channel(native))
    check = lambda service: health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status
    names = ["", FEATURES, "FeatureService"]
    serving = health_pb2.HealthCheckResponse.SERVING
    matrix.fact(
        f"health by grpcio: {', '.join(repr(name) for name in names)} serve",
        all(check(name) == serving for name in names),
    )
    try:
        check("nothing")
        seen = "SERVING"
    except grpc.RpcError as error:
        seen = error.code().name
    matrix.fact("health of what is not there is NOT_FOUND", seen == "NOT_FOUND", seen)
    first = next(iter(health.Watch(health_pb2.HealthCheckRequest(service=FEATURES), timeout=5)))
    matrix.fact("health is streamed to who watches", first.status == serving)

    for place, url in [("native", native), ("Lambda", aws)]:
        json_ = ["--header", "content-type: application/json"]
        status, _, body = clients.curl(*json_, "--data", "{}", f"{url}/grpc.health.v1.Health/Check")
        matrix.fact(
            f"{place}: health over Connect JSON", (status, body) == (200, b'{"status":"SERVING"}'), (status, body)
        )
        for what, arguments, wanted in [
            (
                "a GET of a number is refused",
                [f"{url}/{FEATURES}/GetFeatures?connect=v1&encoding=json&message=%7B%7D"],
                (405, "unknown"),
            ),
            ("an unknown method", [*json_, "--data", "{}", f"{url}/{FEATURES}/Nothing"], (404, "unimplemented")),
            ("broken JSON", [*json_, "--data", "{", f"{url}/{FEATURES}/GetFeatures"], (400, "invalid_argument")),
            (
                "a compression that is not known",
                [*json_, "--header", "content-encoding: br", "--data", "{}", f"{url}/{FEATURES}/GetFeatures"],
                (501, "unimplemented"),
            ),
            (
                "a request of 600 kB",
                [*json_, "--data-binary", "@-", f"{url}/{FEATURES}/GetFeatures"],
                (429, "resource_exhausted"),
            ),
        ]:
            sent = json.dumps({"number": "1" * 600_000}).encode()
            status, _, body = clients.curl(*arguments, sent=sent if "@-" in arguments else b"")
            code = json.loads(body)["code"] if body else None
            matrix.fact(f"{place}: {what}: {wanted[0]}, `{wanted[1]}`", (status, code) == wanted, (status, body))
        status, headers, body = clients.curl("--data", "{}", f"{url}/{FEATURES}/GetFeatures")
        matrix.fact(
            f"{place}: another content type, as of `curl -d`: 415, with those that are taken, and words that say so",
            (status, b"Content-Type: application/json" in body) == (415, True)
            and "application/grpc-web+proto" in headers.get("accept-post", ""),
            (headers, body),
        )
        status, headers, _ = clients.curl(
            *json_, "--header", "accept-encoding: gzip", "--data", "{}", f"{url}/{FEATURES}/ListFeatures"
        )
        matrix.fact(f"{place}: answers in gzip to who takes it", headers.get("content-encoding") == "gzip", headers)
        matrix.fact(
            f"{place}: a page of another origin is refused by the browser",
            browser.elsewhere(url) == "Failed to fetch",
            browser.elsewhere(url),
        )

    grpc_ = ["--header", "content-type: application/grpc+proto", "--data-binary", "@-"]
    status, headers, _ = clients.curl(*grpc_, f"{aws}/{FEATURES}/ListFeatures", sent=b"\0\0\0\0\0")
    told = headers.get("grpc-status"), "grpc-web" in headers.get("grpc-message", "")
    matrix.fact(
        "Lambda: native gRPC is told UNIMPLEMENTED (12), and to use gRPC-Web",
        (status, *told) == (200, "12", True),
        headers,
    )
    question = next(question for question in matrix.questions if question.is_safe)
    found = clients.buf("grpcweb", url=aws, question=question)
    matrix.fact(
        "Lambda: `buf curl` without a schema fails: reflection is a stream in both directions",
        "answer" not in found,
        found,
    )


def documented(matrix, npm, folder):
    """Runs what docs/clients.md says to run, at the running service."""
    text = DOCUMENT.read_text(encoding="utf-8").replace(
        NATIVE.removeprefix("http://"), matrix.system.native.removeprefix("http://")
    )
    text = text.replace(AWS, matrix.system.aws)
    environment = os.environ | {
        "PATH": f"{npm / 'node_modules' / '.bin'}:{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(folder / "stubs"),
    }
    blocks = re.findall(r"^```(sh|python|js)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    for language, block in blocks:
        script = npm / f"documented.{'mjs' if language == 'js' else language}"
        script.write_text(block, encoding="utf-8")
        command = {"sh": ["bash", "-euo", "pipefail"], "python": [sys.executable], "js": ["node"]}[language]
        done = run(*command, script, cwd=ROOT, env=environment)
        said = done.stdout + done.stderr
        title = block.split("\n")[0].lstrip("#/ ")
        matrix.fact(f"docs/clients.md: {title}", done.returncode == 0 and ANSWERED.search(said), said[-2_000:])


def table(matrix):
    print("\n| client | native | Lambda |\n|---|---|---|")
    for row in matrix.rows:
        print(f"| {' | '.join(row)} |")
    wrong = f"{matrix.failed} NOT AS DOCUMENTED" if matrix.failed else "all as documented"
    print(f"\n{matrix.compared} fields compared, {wrong}.")


if __name__ == "__main__":
    sys.exit(main())
