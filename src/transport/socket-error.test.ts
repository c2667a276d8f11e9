import { expect, test } from "bun:test";
import { FakeSocket } from "../../test/support/fake-sockets.ts";
import { Recorder } from "../../test/support/tls/recorder.ts";
import { endBroken } from "./socket-error.ts";

function scene() {
  const socket = new FakeSocket();
  const owner = new Recorder();
  socket.data = owner;
  const faults: Error[] = [];
  return { socket, owner, faults, onFault: (error: Error) => faults.push(error) };
}

test("an alert of the peer is told as a reset, once, and is no fault of ours", () => {
  const { socket, owner, faults, onFault } = scene();
  const alert = Object.assign(new Error("TLSV1_ALERT_UNKNOWN_CA"), { code: "EPROTO" });
  endBroken(socket, alert, onFault);
  expect(socket.state).toBe("reset");
  expect(owner.events).toEqual(["close EPROTO"]);
  // Bun tells of an end in good order afterwards.
  socket.data.onClose(undefined);
  expect(owner.events).toEqual(["close EPROTO"]);
  expect(faults).toEqual([]);
});

test("an exception of a handler is a fault, and ends the socket", () => {
  const { socket, faults, onFault } = scene();
  const error = new TypeError("x is undefined");
  endBroken(socket, error, onFault);
  expect(socket.state).toBe("reset");
  expect(faults).toEqual([error]);
});
