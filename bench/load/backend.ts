#!/usr/bin/env bun
// The endpoint behind every proxy, a process of its own: `backend.ts PORT…`. Ends when its standard input does.
import type { Socket } from "bun";
import { bodyBytesOf, helloBytesOf, REQUEST_BYTES, Response, SMALL_BYTES } from "./protocol.ts";

/** Responses up to this length are kept whole. */
const KEEP_BYTES = 128 * 1024;

interface Exchange {
  /** The start of a request whose rest has not come. */
  rest: Buffer | undefined;
  /** The response being sent, when the system would not take all of it at once. */
  sending: Response | undefined;
  sent: number;
}

const kept = new Map<number, Buffer>();

/** Answers the requests in `data`; a client asks again only when it has the response. */
function answer(socket: Socket<Exchange>, data: Buffer): void {
  const state = socket.data;
  const requests = state.rest === undefined ? data : Buffer.concat([state.rest, data]);
  const helloBytes = helloBytesOf(requests);
  if (helloBytes === undefined || helloBytes > requests.length) {
    state.rest = requests;
    return;
  }
  if (helloBytes > 0) respond(socket, SMALL_BYTES);
  let at = helloBytes;
  for (; at + REQUEST_BYTES <= requests.length; at += REQUEST_BYTES) {
    const bodyBytes = bodyBytesOf(requests, at);
    if (Number.isNaN(bodyBytes) || state.sending !== undefined) {
      socket.terminate();
      return;
    }
    respond(socket, bodyBytes);
  }
  state.rest = at === requests.length ? undefined : requests.subarray(at);
}

function respond(socket: Socket<Exchange>, bodyBytes: number): void {
  if (bodyBytes > KEEP_BYTES) {
    send(socket, new Response(bodyBytes), 0);
    return;
  }
  const whole = kept.get(bodyBytes) ?? new Response(bodyBytes).whole();
  kept.set(bodyBytes, whole);
  const sent = socket.write(whole);
  if (sent >= 0 && sent < whole.length) send(socket, new Response(bodyBytes), sent);
}

/** Sends from `offset` until the end or until the system takes no more. */
function send(socket: Socket<Exchange>, response: Response, offset: number): void {
  const state = socket.data;
  state.sending = response;
  state.sent = offset;
  while (state.sent < response.totalBytes) {
    const piece = response.piece(state.sent);
    const written = socket.write(piece);
    if (written < 0) return;
    state.sent += written;
    if (written < piece.length) return;
  }
  state.sending = undefined;
}

function listen(port: number): void {
  Bun.listen<Exchange>({
    hostname: "127.0.0.1",
    port,
    socket: {
      open(socket) {
        socket.data = { rest: undefined, sending: undefined, sent: 0 };
      },
      data: answer,
      drain(socket) {
        const { sending, sent } = socket.data;
        if (sending !== undefined) send(socket, sending, sent);
      },
      error() {},
    },
  });
}

for (const port of Bun.argv.slice(2)) listen(Number(port));
console.log("ready");
for await (const _ of Bun.stdin.stream()) {
  // Nothing is said on it: only its end matters.
}
process.exit();
