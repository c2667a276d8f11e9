// Entry of a data-plane thread: waits for its start message, then hands everything to the data plane.
import { systemClock } from "../lib/clock.ts";
import { systemRng } from "../lib/rng.ts";
import { LogWriter } from "../telemetry/log-writer.ts";
import type { ToControl, ToWorker } from "../wire/messages.ts";
import { DataPlane } from "./data-plane.ts";

declare const self: Worker;

const send = (message: ToControl): void => self.postMessage(message);
let dataPlane: DataPlane | undefined;

self.onmessage = ({ data }: MessageEvent<ToWorker>): void => {
  if (data.type === "start") {
    const { logger } = new LogWriter(data.log);
    dataPlane = new DataPlane({ start: data, clock: systemClock, rng: systemRng(), logger, send });
    send({ type: "ready" });
    return;
  }
  dataPlane?.apply(data);
};
