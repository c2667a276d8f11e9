// Entry of a data-plane thread: waits for its start message, then hands everything to the data plane.
import type * as NodeOs from "node:os";
import { systemClock } from "../lib/clock.ts";
import { systemRng } from "../lib/rng.ts";
import { fdSink } from "../telemetry/log-sink.ts";
import { LogWriter } from "../telemetry/log-writer.ts";
import { libc } from "../transport/libc.ts";
import type { ToControl, ToWorker, WorkerStart } from "../wire/messages.ts";
import { DataPlane } from "./data-plane.ts";
import { Inbox } from "./inbox.ts";

declare const self: Worker;

const send = (message: ToControl): void => self.postMessage(message);
let dataPlane: DataPlane | undefined;
const inbox = new Inbox(apply, systemClock);

self.onmessage = ({ data }: MessageEvent<ToWorker>): void => {
  if (data.type !== "start") return inbox.push(data);
  const { logger } = new LogWriter({ ...data.log, sink: fdSink(data.log.target, libc) });
  dataPlane = new DataPlane({
    start: data,
    clock: systemClock,
    rng: systemRng(),
    logger,
    send,
    hostName,
  });
  send({ type: "ready" });
};

function hostName(): string {
  // Loaded where it is asked for: few configurations need it.
  const { hostname } = import.meta.require("node:os") as typeof NodeOs;
  return hostname();
}

function apply(message: Exclude<ToWorker, WorkerStart>): void {
  try {
    dataPlane?.apply(message);
  } catch (error) {
    // One message that cannot be applied (a certificate that the TLS engine refuses, say) costs what it asked for,
    // not the connections of this thread.
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    send({ type: "fault", message: `${message.type}: ${detail}` });
  }
}
