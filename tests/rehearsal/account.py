"""An AWS account on this machine: what the template makes, on endpoints of local-aws, queues in moto, and the functions
on the Runtime API of cargo-lambda."""

import json
import os
import pathlib
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request

import boto3
from botocore.config import Config

ROOT = pathlib.Path(__file__).resolve().parents[2]
REGION = "us-east-1"
KEYS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": REGION}
# How long anything may take; far longer than it does.
PATIENCE_SECONDS = 120
# What Lambda sends a function, and what it takes back.
PAYLOAD_BYTES_MAX = 6 * 1024 * 1024
# Names of binaries by those of the template.
BINARY = re.compile(r"(?<!^)(?=[A-Z])")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def binary_name(function):
    """CountCalls is count-calls."""
    return BINARY.sub("-", function).lower()


def wait_for(what, is_so):
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if is_so():
            return
        time.sleep(0.05)
    raise SystemExit(f"rehearsal: {what} did not come in {PATIENCE_SECONDS} s")


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Account:
    """Everything that runs. `binaries` is the folder of the functions, `endpoints` the example of local-aws."""

    def __init__(self, template, binaries, endpoints, folder):
        self.template = template
        self.folder = folder
        self.processes = []
        state = folder / "state"
        state.mkdir()
        aws = self.start("endpoints", [endpoints, state], {}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.urls = json.loads(aws.stdout.readline())
        port = free_port()
        self.start("moto", ["moto_server", "-H", "127.0.0.1", "-p", str(port)], {})
        wait_for("moto", lambda: answers(port))
        self.urls["sqs"] = f"http://127.0.0.1:{port}"
        self.make_resources()
        self.runtime = f"http://127.0.0.1:{free_port()}"
        where = self.runtime.rsplit(":", 1)[1]
        watch = ["cargo", "lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P", where]
        self.start("watch", watch, {}, cwd=ROOT)
        wait_for("the Runtime API", lambda: answers(int(where)))
        self.binaries = binaries
        self.functions = {}
        for function in template.of_type("AWS::Serverless::Function"):
            self.start_function(function)

    def start(self, name, command, environment, **more):
        log = (self.folder / f"{name}.log").open("ab")
        more = {"stdout": log, "stderr": log, "stdin": subprocess.DEVNULL} | more
        process = subprocess.Popen(command, env=os.environ | environment, **more)
        self.processes.append(process)
        return process

    def restart(self, function):
        """As Lambda does when it needs another process."""
        self.functions[function].kill()
        self.functions[function].wait()
        self.start_function(function)

    def start_function(self, function):
        name = binary_name(function)
        variables = self.template.environment(function)
        # The zip is not here; what is in it is.
        task = ROOT / "features.toml"
        if "FEATURES_FILE" in variables:
            if variables["FEATURES_FILE"] != "/var/task/features.toml":
                raise SystemExit(f"rehearsal: {function} reads {variables['FEATURES_FILE']}, which is not in its zip")
            variables["FEATURES_FILE"] = str(task)
        environment = variables | KEYS
        environment |= {f"AWS_ENDPOINT_URL_{name.upper()}": url for name, url in self.urls.items()}
        environment |= {
            "AWS_LAMBDA_RUNTIME_API": f"{self.runtime}/.rt/{name}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.template.value(self.memory(function))),
        }
        self.functions[function] = self.start(name, [self.binaries / name], environment)

    def memory(self, function):
        own = self.template.text["Resources"][function]["Properties"]
        everybody = self.template.text.get("Globals", {}).get("Function", {})
        return own.get("MemorySize", everybody.get("MemorySize", 128))

    def client(self, service):
        given = {"endpoint_url": self.urls[service], "region_name": REGION}
        keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        return boto3.client(service, **given, **keys, config=Config(s3={"addressing_style": "path"}))

    def make_resources(self):
        """Tables, streams, buckets and queues as the template has them; their names are the rehearsal's."""
        known = self.template.known
        for name, table in self.template.of_type("AWS::DynamoDB::Table").items():
            known[name] = f"rehearsal-{name}"
            wanted = self.template.value(table)
            made = {part: wanted[part] for part in ["AttributeDefinitions", "KeySchema", "BillingMode"]}
            self.client("dynamodb").create_table(TableName=known[name], **made)
            self.client("dynamodb").update_time_to_live(
                TableName=known[name], TimeToLiveSpecification=wanted["TimeToLiveSpecification"]
            )
        for name in self.template.of_type("AWS::Kinesis::Stream"):
            known[name] = f"rehearsal-{name}"
            self.client("kinesis").create_stream(StreamName=known[name], ShardCount=2)
            described = lambda: self.client("kinesis").describe_stream_summary(StreamName=known[name])
            active = lambda: described()["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE"
            wait_for(f"stream {name}", active)
        for name in self.template.of_type("AWS::S3::Bucket"):
            known[name] = f"rehearsal-{name.lower()}"
            self.client("s3").create_bucket(Bucket=known[name])
        for name in self.template.of_type("AWS::SQS::Queue"):
            known[name] = self.client("sqs").create_queue(QueueName=f"rehearsal-{name}")["QueueUrl"]
            known[f"{name}.QueueUrl"] = known[name]

    def invoke(self, function, event):
        """A function's answer to an event, and whether it is an error."""
        body = json.dumps(event).encode()
        if len(body) > PAYLOAD_BYTES_MAX:
            raise SystemExit(f"rehearsal: Lambda takes no event of {len(body)} bytes")
        url = f"{self.runtime}/2015-03-31/functions/{binary_name(function)}/invocations"
        status, answer = self.ask(url, body, {"content-type": "application/json"})
        if len(answer) > PAYLOAD_BYTES_MAX:
            raise SystemExit(f"rehearsal: Lambda takes no answer of {len(answer)} bytes")
        return json.loads(answer), status >= 400

    def post(self, function, path, body, headers):
        """Status and body of an answer to a request to a function's URL."""
        status, answer = self.ask(f"{self.runtime}/lambda-url/{binary_name(function)}{path}", body, headers)
        return status, json.loads(answer)

    @staticmethod
    def ask(url, body, headers):
        request = urllib.request.Request(url, data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answered:
                return answered.status, answered.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def close(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def logs(self):
        """The last lines that everything wrote, for whoever must find out why it failed."""
        for log in sorted(self.folder.glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-8:]
            yield f"--- {log.name}\n" + "\n".join(lines)
