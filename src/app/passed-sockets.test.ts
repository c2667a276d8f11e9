import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  HANDOVER_VARIABLE,
  handedOver,
  passedBySystemd,
  successorEnvironment,
} from "./passed-sockets.ts";

describe("passedBySystemd()", () => {
  const passed = (env: Readonly<Record<string, string>>) =>
    passedBySystemd({ LISTEN_PID: "70", LISTEN_FDS: "2", ...env }, 70);

  test("counts from descriptor 3 and takes the names", () => {
    expect(passed({ LISTEN_FDNAMES: "web:db" })).toEqual([
      { fd: 3, name: "web", anyPort: false },
      { fd: 4, name: "db", anyPort: false },
    ]);
  });

  test("does without names", () => {
    expect(passed({}).map(({ name }) => name)).toEqual(["unknown", "unknown"]);
    expect(passed({ LISTEN_FDNAMES: "web" }).map(({ name }) => name)).toEqual(["web", "unknown"]);
  });

  test.each([
    { LISTEN_PID: "71" },
    { LISTEN_PID: "" },
    { LISTEN_FDS: "0" },
    { LISTEN_FDS: "-1" },
    { LISTEN_FDS: "x" },
    { LISTEN_FDS: "1e9" },
  ])("takes nothing of %p", (env) => {
    expect(passed(env)).toEqual([]);
  });
});

describe("handedOver()", () => {
  const admin = { ip: "127.0.0.1", port: 9989 };

  test("reads what successorEnvironment() has written, for the child of that process alone", () => {
    const env = successorEnvironment({ PATH: "/bin" }, 70, { anyPort: [false, true], admin });
    expect(env["PATH"]).toBe("/bin");
    expect(handedOver(env, 70)).toEqual({
      sockets: [
        { fd: 3, name: "of process 70", anyPort: false },
        { fd: 4, name: "of process 70", anyPort: true },
      ],
      channelFd: 5,
      admin,
    });
    expect(handedOver(env, 71)).toBeUndefined();
  });

  test("passes on nothing that was meant for the first process", () => {
    const bound = { BUN_FEATURE_FLAG_NO_ORPHANS: "1" };
    const first = {
      ...bound,
      LISTEN_PID: "70",
      LISTEN_FDS: "1",
      LISTEN_FDNAMES: "a",
      WATCHDOG_PID: "70",
    };
    const env = successorEnvironment({ ...first, WATCHDOG_USEC: "1" }, 70, { anyPort: [], admin });
    expect(Object.keys(env)).toEqual(["WATCHDOG_USEC", HANDOVER_VARIABLE]);
  });

  test("takes nothing of what is no hand-over", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(handedOver({ [HANDOVER_VARIABLE]: text }, 70)).toBeUndefined();
      }),
    );
  });
});
