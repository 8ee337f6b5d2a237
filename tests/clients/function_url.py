"""A Lambda function URL on this machine: HTTP in, events of format 2.0 to the function's processes, HTTP out.

As AWS documents it (https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html and runtimes-api.html): names of
headers in lower case, headers that are repeated joined by commas, bodies that are no text in base64, 6 MB each way, an
answer sent when it is whole. HTTP/1.1 only. Without signatures, cookies and throttling.
"""

import base64
import http.server
import itertools
import json
import os
import queue
import re
import subprocess
import threading
import time
import urllib.parse

PAYLOAD_MAX = 6 * 1024 * 1024
TEXT = re.compile(r"text/|application/(json|javascript|xml)\s*(;|$)")
NEXT = "/2018-06-01/runtime/invocation/next"
ANSWERED = re.compile(r"/2018-06-01/runtime/invocation/([^/]+)/(response|error)$")


class FunctionUrl:
    """`processes` of a function, and the URL that invokes them. `log` takes what they write."""

    def __init__(self, command, environment, log, processes=1, timeout=30):
        self.events = queue.Queue()
        self.answers = {}
        self.timeout = timeout
        self.ids = itertools.count(1)
        self.runtime = serve(RuntimeApi, self)
        self.front = serve(Front, self)
        self.url = f"http://127.0.0.1:{self.front.server_port}"
        environment = (
            os.environ
            | {
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.runtime.server_port}",
                "AWS_LAMBDA_FUNCTION_NAME": "function",
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
                "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/function",
                "AWS_LAMBDA_LOG_STREAM_NAME": "1",
                "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "none",
                "AWS_SECRET_ACCESS_KEY": "none",
            }
            | environment
        )
        self.processes = [
            subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            for _ in range(processes)
        ]

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
        for server in [self.front, self.runtime]:
            server.shutdown()
            server.server_close()

    def invoke(self, event):
        """The function's answer to an event; None if it failed or took too long."""
        request_id = event["requestContext"]["requestId"]
        answer = self.answers[request_id] = queue.Queue(1)
        self.events.put((request_id, time.time() + self.timeout, json.dumps(event).encode()))
        try:
            return answer.get(timeout=self.timeout)
        except queue.Empty:
            return None
        finally:
            del self.answers[request_id]


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        """A client that went away is no failure; what it wanted to know, it has not been told."""


def serve(handler, owner):
    server = Server(("127.0.0.1", 0), handler)
    server.owner = owner
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def body(self, most=None):
        """The body; None if it is larger than `most`, and then the connection is of no further use."""
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            length = int(self.headers.get("content-length", 0))
            if most is not None and length > most:
                self.close_connection = True
                return None
            return self.rfile.read(length)
        parts, total = [], 0
        while length := int(self.rfile.readline().split(b";")[0], 16):
            total += length
            if most is not None and total > most:
                self.close_connection = True
                return None
            parts.append(self.rfile.read(length))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def reply(self, status, headers, body):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class RuntimeApi(Handler):
    """What the function's processes ask for work."""

    def do_GET(self):
        if self.path != NEXT:
            return self.reply(404, [], b"")
        request_id, deadline, event = self.server.owner.events.get()
        headers = [
            ("lambda-runtime-aws-request-id", request_id),
            ("lambda-runtime-deadline-ms", str(int(deadline * 1000))),
            ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:function"),
            ("content-type", "application/json"),
        ]
        self.reply(200, headers, event)

    def do_POST(self):
        body = self.body()
        answered = ANSWERED.match(self.path)
        waiting = answered and self.server.owner.answers.get(answered[1])
        if waiting:
            waiting.put(json.loads(body) if answered[2] == "response" else None)
        self.reply(202, [], b"")


class Front(Handler):
    """What clients ask."""

    def any(self):
        body = self.body(PAYLOAD_MAX)
        if body is None:
            return self.reply(
                413, [("content-type", "application/json")], b'{"Message":"Request must be smaller than 6291456 bytes"}'
            )
        answer = self.server.owner.invoke(self.event(body))
        if not isinstance(answer, dict) or "statusCode" not in answer:
            return self.reply(502, [("content-type", "application/json")], b'{"Message":"Internal Server Error"}')
        content = answer.get("body") or ""
        content = base64.b64decode(content) if answer.get("isBase64Encoded") else content.encode()
        if len(content) > PAYLOAD_MAX:
            return self.reply(502, [("content-type", "application/json")], b'{"Message":"Internal Server Error"}')
        headers = [(name, str(value)) for name, value in answer.get("headers", {}).items() if name != "content-length"]
        self.reply(answer["statusCode"], headers, content)

    do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = any

    def event(self, body):
        headers = {}
        for name, value in self.headers.items():
            name = name.lower()
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        for name in ["transfer-encoding", "connection"]:
            headers.pop(name, None)
        headers["x-forwarded-proto"] = "https"
        is_text = TEXT.match(headers.get("content-type", "text/")) and "content-encoding" not in headers
        path, _, query = self.path.partition("?")
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": urllib.parse.unquote(path),
            "rawQueryString": query,
            "headers": headers,
            "requestContext": {
                "accountId": "anonymous",
                "apiId": "function",
                "domainName": headers.get("host", "127.0.0.1"),
                "domainPrefix": "function",
                "http": {
                    "method": self.command,
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1",
                    "userAgent": headers.get("user-agent", ""),
                },
                "requestId": f"00000000-0000-4000-8000-{next(self.server.owner.ids):012}",
                "routeKey": "$default",
                "stage": "$default",
                "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime()),
                "timeEpoch": int(time.time() * 1000),
            },
            "isBase64Encoded": False,
        }
        if query:
            pairs = urllib.parse.parse_qs(query, keep_blank_values=True)
            event["queryStringParameters"] = {name: ",".join(values) for name, values in pairs.items()}
        if body:
            event["isBase64Encoded"] = not is_text
            event["body"] = body.decode() if is_text else base64.b64encode(body).decode()
        return event
