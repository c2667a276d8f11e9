// A control port that notes what it is asked, and has nothing to show.
import type { ControlPort } from "../../src/admin/control-port.ts";

/** `calls` gets the name of each method that is called, with its arguments. */
export function fakeControl(calls: unknown[][] = []): ControlPort {
  return {
    connections: (...args) => {
      calls.push(["connections", ...args]);
      return Promise.resolve({ total: 0, connections: [] });
    },
    end: (...args) => {
      calls.push(["end", ...args]);
      return Promise.resolve({ what: "all", total: 2, left: 2 });
    },
    override: (...args) => {
      calls.push(["override", ...args]);
      return [];
    },
    overrides: () => {
      calls.push(["overrides"]);
      return [];
    },
  };
}
