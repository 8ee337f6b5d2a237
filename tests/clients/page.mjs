// What runs in the page: the same questions by plain fetch, and by the clients that browsers have of Connect.

import { createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";

const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const text = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
const snake = (name) => name.replace(/(?<=[a-z])[A-Z]/g, "_$&").toLowerCase();
const CODES = Object.fromEntries(
  Object.entries(Code)
    .filter(([name]) => isNaN(name))
    .map(([name, code]) => [code, snake(name)]),
);

// Connect with JSON.
async function fetchJson(question) {
  const response = await fetch(`/${question.service}/${question.method}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: question.json,
  });
  return response.ok ? { json: await response.text() } : await response.json();
}

// gRPC-Web: a frame of the message there; frames of the message and of the trailers back.
async function fetchGrpcWeb(question) {
  const message = bytes(question.proto);
  const frame = new Uint8Array(5 + message.length);
  new DataView(frame.buffer).setUint32(1, message.length);
  frame.set(message, 5);
  const response = await fetch(`/${question.service}/${question.method}`, {
    method: "POST",
    headers: { "content-type": "application/grpc-web+proto", "x-grpc-web": "1" },
    body: frame,
  });
  const received = new Uint8Array(await response.arrayBuffer());
  const trailers = new Headers(response.headers);
  let answer = null;
  for (let at = 0; at < received.length;) {
    const length = new DataView(received.buffer, at).getUint32(1);
    const payload = received.subarray(at + 5, at + 5 + length);
    if (received[at] & 0x80) {
      for (const line of new TextDecoder().decode(payload).trim().split("\r\n")) {
        const [, name, value] = /^([^:]+): ?(.*)$/.exec(line);
        trailers.set(name, value);
      }
    } else {
      answer = text(payload);
    }
    at += 5 + length;
  }
  const code = Number(trailers.get("grpc-status"));
  if (code === 0) return { proto: answer };
  return {
    status: CODES[code],
    message: decodeURIComponent(trailers.get("grpc-message") ?? ""),
    details: statusDetails(trailers.get("grpc-status-details-bin")),
  };
}

// google.rpc.Status has its details in field 3, google.protobuf.Any a type in 1 and bytes in 2.
function statusDetails(header) {
  if (!header) return [];
  const fields = (message) => {
    const found = [];
    let at = 0;
    const varint = () => {
      let value = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = message[at++];
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) return value;
      }
    };
    while (at < message.length) {
      const tag = varint();
      const value = varint();
      if ((tag & 7) === 2) found.push([tag >> 3, message.subarray(at, (at += value))]);
    }
    return found;
  };
  return fields(bytes(header))
    .filter(([field]) => field === 3)
    .map(([, any]) => {
      const of = Object.fromEntries(fields(any));
      return { type: new TextDecoder().decode(of[1]), value: text(of[2]) };
    });
}

// A client as connect-web makes it.
function library(transport, registry) {
  return async (question) => {
    const service = registry.getService(question.service);
    const method = service.methods.find((each) => each.name === question.method);
    const client = createClient(service, transport);
    try {
      const answer = await client[method.localName](fromBinary(method.input, bytes(question.proto)));
      return { proto: text(toBinary(method.output, answer)) };
    } catch (caught) {
      const error = ConnectError.from(caught);
      const details = error.details.map((detail) => ({ type: detail.type, value: text(detail.value) }));
      return { status: CODES[error.code], message: error.rawMessage, details };
    }
  };
}

let clients;

globalThis.begin = (descriptors) => {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes(descriptors)));
  const baseUrl = location.origin;
  const connect = { baseUrl, useBinaryFormat: true, useHttpGet: true };
  clients = {
    "fetch, Connect JSON": fetchJson,
    "fetch, gRPC-Web": fetchGrpcWeb,
    "connect-web, gRPC-Web": library(createGrpcWebTransport({ baseUrl }), registry),
    "connect-web, Connect": library(createConnectTransport(connect), registry),
    "connect-web, Connect JSON": library(createConnectTransport({ baseUrl }), registry),
  };
};

globalThis.ask = (client, question) => clients[client](question);

// What a page of another origin gets.
globalThis.askElsewhere = (url) =>
  fetch(`${url}/tollwatch.v1.FeatureService/ListFeatures`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  }).then(
    (response) => `answered ${response.status}`,
    (error) => error.message,
  );
