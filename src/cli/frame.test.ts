import { describe, expect, test } from "bun:test";
import { unrepeatable } from "./frame.ts";

describe("unrepeatable()", () => {
  test.each(["-", "/dev/stdin", "/dev/fd/63", "/proc/self/fd/0"])("refuses %p", (path) => {
    expect(unrepeatable(path)).toContain("cannot be read again");
  });

  test.each(["config.yml", "/etc/linkerd-tcp/config.yml", "./-", "/dev/shm/config.yml"])(
    "takes %p",
    (path) => {
      expect(unrepeatable(path)).toBeUndefined();
    },
  );
});
