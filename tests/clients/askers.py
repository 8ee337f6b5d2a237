"""The clients. Each asks a question at a URL and says the answer in the one form."""

import base64
import functools
import gzip
import json
import pathlib
import subprocess
import urllib.parse

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROTO = ROOT / "proto"


class Clients:
    """`npm` is where the modules of package.json are, `folder` is for files."""

    def __init__(self, messages, npm, folder):
        self.messages = messages
        self.bin = npm / "node_modules" / ".bin"
        self.folder = folder

    # grpcio

    @functools.cache
    def channel(self, url):
        return grpc.insecure_channel(url.removeprefix("http://"))

    def stubs(self, url, question):
        """With the code that grpcio-tools generates."""
        import legacy_feature_service_pb2_grpc
        from tollwatch.v1 import feature_service_pb2_grpc

        modules = {"FeatureService": legacy_feature_service_pb2_grpc}
        module = modules.get(question.service, feature_service_pb2_grpc)
        method = getattr(module.FeatureServiceStub(self.channel(url)), question.method)
        try:
            response = method(self.messages.request(question), timeout=10)
        except grpc.RpcError as error:
            return self.of_rpc_error(error)
        return self.messages.of_bytes(question, response.SerializeToString())

    @functools.cache
    def reflected(self, url):
        return descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(self.channel(url)))

    def reflection(self, url, question):
        """With nothing but what the service says of itself."""
        method = self.reflected(url).FindServiceByName(question.service).FindMethodByName(question.method)
        classes = [message_factory.GetMessageClass(each) for each in [method.input_type, method.output_type]]
        call = self.channel(url).unary_unary(question.path, classes[0].SerializeToString, classes[1].FromString)
        try:
            response = call(json_format.ParseDict(question.request, classes[0]()), timeout=10)
        except grpc.RpcError as error:
            return self.of_rpc_error(error)
        return self.messages.of_bytes(question, response.SerializeToString())

    def of_rpc_error(self, error):
        status = rpc_status.from_call(error)
        details = [(detail.type_url, detail.value) for detail in status.details] if status else []
        return self.messages.of_error(error.code().name.lower(), error.details(), details)

    # buf curl

    def buf(self, protocol, *more, url, question):
        request = self.folder / "request.json"
        request.write_text(json.dumps(question.request), encoding="utf-8")
        done = run(
            self.bin / "buf",
            "curl",
            "--protocol",
            protocol,
            *more,
            "--data",
            f"@{request}",
            url + question.path,
            cwd=PROTO,
        )
        if done.returncode == 0:
            return self.messages.of_json(question, done.stdout)
        said = done.stderr
        if "{" not in said:
            return {"failed": said.strip()}
        return self.messages.of_connect_error(json.loads(said[said.index("{") :]))

    # curl

    def curl(self, *arguments, sent=None):
        """Status, headers and body."""
        head, body = self.folder / "head", self.folder / "body"
        done = run(
            "curl",
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--dump-header",
            head,
            "--output",
            body,
            *arguments,
            sent=sent,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        lines = head.read_text(encoding="latin-1").replace("\r", "").strip().split("\n\n")[-1].split("\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        return int(lines[0].split()[1]), headers, body.read_bytes() if body.exists() else b""

    def post(self, url, question):
        """Connect with JSON."""
        return self.of_connect(
            question, *self.curl("--json", "@-", url + question.path, sent=json.dumps(question.request).encode())
        )

    def post_compressed(self, url, question):
        """The same in gzip, both ways."""
        sent = gzip.compress(json.dumps(question.request).encode())
        headers = ["--header", "content-type: application/json", "--header", "content-encoding: gzip", "--compressed"]
        return self.of_connect(question, *self.curl(*headers, "--data-binary", "@-", url + question.path, sent=sent))

    def post_binary(self, url, question):
        """Connect with protobuf."""
        sent = self.messages.request(question).SerializeToString()
        headers = ["--header", "content-type: application/proto"]
        return self.of_connect(question, *self.curl(*headers, "--data-binary", "@-", url + question.path, sent=sent))

    def get(self, url, question, encoding="json"):
        """Connect's GET."""
        message = json.dumps(question.request).encode()
        if encoding == "proto":
            message = self.messages.request(question).SerializeToString()
        query = {"connect": "v1", "encoding": encoding, "base64": "1"}
        query["message"] = base64.urlsafe_b64encode(message).decode().rstrip("=")
        return self.of_connect(question, *self.curl(f"{url}{question.path}?{urllib.parse.urlencode(query)}"))

    def of_connect(self, question, status, headers, body):
        if status != 200:
            return self.messages.of_connect_error(json.loads(body))
        if headers["content-type"] == "application/proto":
            return self.messages.of_bytes(question, body)
        return self.messages.of_json(question, body)


class Browser:
    """Pages at `urls`, which ask by fetch or with connect-web."""

    CLIENTS = [
        "fetch, Connect JSON",
        "fetch, gRPC-Web",
        "connect-web, gRPC-Web",
        "connect-web, Connect",
        "connect-web, Connect JSON",
    ]

    def __init__(self, clients, npm, urls):
        self.messages = clients.messages
        descriptors = clients.folder / "descriptors.binpb"
        run(clients.bin / "buf", "build", PROTO, "--as-file-descriptor-set", "--output", descriptors).check_returncode()
        # Modules are found from where a script is.
        here = pathlib.Path(__file__).resolve().parent
        for name in ["browser.mjs", "page.mjs"]:
            (npm / name).write_bytes((here / name).read_bytes())
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "encoding": "utf-8"}
        self.process = subprocess.Popen(["node", npm / "browser.mjs"], **pipes)
        self.version = self.tell(urls=urls, descriptors=base64.b64encode(descriptors.read_bytes()).decode())

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)

    def tell(self, **line):
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline()
        if not said:
            raise RuntimeError("the browser ended")
        return json.loads(said)

    def elsewhere(self, url):
        """What a page of another origin gets."""
        return self.tell(url=url)

    def ask(self, client, url, question):
        sent = self.messages.request(question).SerializeToString()
        asked = {
            "service": question.service,
            "method": question.method,
            "json": json.dumps(question.request),
            "proto": base64.b64encode(sent).decode(),
        }
        found = self.tell(url=url, client=client, question=asked)
        if "proto" in found:
            return self.messages.of_bytes(question, base64.b64decode(found["proto"]))
        if "json" in found:
            return self.messages.of_json(question, found["json"])
        if "status" in found:
            details = [(detail["type"], base64.b64decode(detail["value"])) for detail in found["details"]]
            return self.messages.of_error(found["status"], found["message"], details)
        return self.messages.of_connect_error(found)


def run(*command, sent=b"", cwd=None, env=None):
    done = subprocess.run(
        [str(each) for each in command], input=sent, capture_output=True, cwd=cwd, env=env, timeout=300
    )
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    return done
