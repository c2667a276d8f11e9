// Entry of a data-plane thread: waits for its start message, then hands everything to the data plane.
import type * as NodeOs from "node:os";
import { systemClock } from "../lib/clock.ts";
import { systemRng } from "../lib/rng.ts";
import { fdSink } from "../telemetry/log-sink.ts";
import { LogWriter } from "../telemetry/log-writer.ts";
import { libc } from "../transport/libc.ts";
import type { ToControl, ToWorker, WorkerStart } from "../wire/messages.ts";
import { DataPlane } from "./data-plane.ts";
import { Features, featuresOf } from "./features.ts";
import { Inbox } from "./inbox.ts";

declare const self: Worker;

const send = (message: ToControl): void => self.postMessage(message);
let dataPlane: DataPlane | undefined;
const features = new Features();
const inbox = new Inbox({
  prepare: (message: ToWorker) => features.load(featuresOf(message)),
  apply,
  onUnprepared: fault,
  clock: systemClock,
});

self.onmessage = ({ data }: MessageEvent<ToWorker>): void => inbox.push(data);

function start(message: WorkerStart): void {
  const { logger } = new LogWriter({ ...message.log, sink: fdSink(message.log.target, libc) });
  dataPlane = new DataPlane({
    start: message,
    features,
    clock: systemClock,
    rng: systemRng(),
    logger,
    send,
    hostName,
  });
  send({ type: "ready" });
}

function hostName(): string {
  // Loaded where it is asked for: few configurations need it.
  const { hostname } = import.meta.require("node:os") as typeof NodeOs;
  return hostname();
}

function apply(message: ToWorker): void {
  // Without a start there is no worker: an error ends the thread, and another one is tried.
  if (message.type === "start") return start(message);
  try {
    dataPlane?.apply(message);
  } catch (error) {
    fault(message, error);
  }
}

/**
 * One message that cannot be applied (a certificate that the TLS engine refuses, a file of the program that is gone)
 * costs what it asked for, not the connections of this thread.
 */
function fault(message: ToWorker, error: unknown): void {
  if (message.type === "start") throw error;
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  send({ type: "fault", message: `${message.type}: ${detail}` });
}
