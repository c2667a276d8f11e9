// Private memory of a fresh instance: idle, and what each held connection adds.
import { Held } from "../load/hold.ts";
import { privateMemory } from "../measure.ts";
import type { Workload } from "./workload.ts";

export const MEMORY: Workload = {
  id: "memory",
  rows: [
    {
      id: "memory-idle",
      label: "private memory, idle",
      unit: "MB",
      target: { kind: "absolute", atMost: 10 },
    },
    {
      id: "memory-held",
      label: "private memory per held connection",
      unit: "kB",
      target: { kind: "absolute", atMost: 2.5 },
    },
  ],
  field: "peers",
  fresh: true,
  async sample(subject) {
    const { held: count, settleMs } = subject.effort;
    const proxy = await subject.fresh();
    try {
      await Bun.sleep(settleMs);
      const idle = privateMemory(proxy.pids);
      const held = await Held.open({ port: proxy.plainPort }, count);
      await Bun.sleep(settleMs);
      const holding = privateMemory(proxy.pids);
      held.check();
      held.close();
      return [idle / 1e6, (holding - idle) / 1e3 / count];
    } catch (cause) {
      const end = await proxy.epitaph();
      throw end === undefined ? cause : new Error(`the proxy ${end}`, { cause });
    } finally {
      await proxy.stop();
    }
  },
};
