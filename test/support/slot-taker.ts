// A thread that takes and leaves places as fast as it can, for telemetry/endpoint-slots.test.ts.
import { EndpointSlots } from "../../src/telemetry/endpoint-slots.ts";

declare const self: Worker;

/** What it is told. `witness` is a cell that counts places in use, and one that keeps the most there ever were. */
export interface TakePlaces {
  readonly slots: SharedArrayBuffer;
  readonly witness: SharedArrayBuffer;
  readonly worker: number;
  readonly workers: number;
  readonly max: number;
  readonly rounds: number;
}

self.onmessage = ({ data }: MessageEvent<TakePlaces>): void => {
  const { slots, worker, workers, max, rounds } = data;
  const witness = new Int32Array(data.witness);
  const mine = new EndpointSlots(new Int32Array(slots), 3, worker, workers);
  let got = 0;
  for (let round = 0; round < rounds; round += 1) {
    if (!mine.take(max)) continue;
    got += 1;
    const inUse = Atomics.add(witness, 0, 1) + 1;
    for (;;) {
      const most = Atomics.load(witness, 1);
      if (inUse <= most || Atomics.compareExchange(witness, 1, most, inUse) === most) break;
    }
    Atomics.sub(witness, 0, 1);
    mine.giveBack();
  }
  self.postMessage(got);
};
