"""The server that the conformance suite tests, as a Lambda behind a function URL. The argument is the binary."""

import os
import pathlib
import signal
import struct
import sys
import threading

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "clients"))

from function_url import FunctionUrl  # noqa: E402

# As many calls at once as the suite makes: a process answers one at a time.
PROCESSES = 8
MESSAGE_RECEIVE_LIMIT = 6
VARINT = 0


def main():
    (length,) = struct.unpack(">I", sys.stdin.buffer.read(4))
    told = fields(sys.stdin.buffer.read(length))
    environment = {"MESSAGE_BYTES_MAX": str(told.get(MESSAGE_RECEIVE_LIMIT, 0))}
    lambda_ = FunctionUrl([sys.argv[1], "lambda"], environment, sys.stderr, processes=PROCESSES)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    host = b"127.0.0.1"
    said = b"\x0a" + varint(len(host)) + host + b"\x10" + varint(lambda_.front.server_port)
    sys.stdout.buffer.write(struct.pack(">I", len(said)) + said)
    sys.stdout.buffer.flush()
    stopped.wait()
    lambda_.close()
    os._exit(0)


def fields(message):
    """The numbers of a protobuf message, by field."""
    found, at = {}, 0
    while at < len(message):
        tag, at = read_varint(message, at)
        value, at = read_varint(message, at)
        if tag & 7 == VARINT:
            found[tag >> 3] = value
        else:
            at += value
    return found


def read_varint(message, at):
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return value, at


def varint(value):
    out = []
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


if __name__ == "__main__":
    main()
