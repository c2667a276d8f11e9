// Handshakes with other TLS stacks: as clients, full and resumed, and as endpoints. docs/reference/tls-interop.md has the
// table.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Cell, CELLS } from "./cells.ts";
import { Interop, isThere } from "./run.ts";

// Each waits for those before it.
setDefaultTimeout(180_000);

let interop: Interop | undefined;

beforeAll(async () => {
  if (CELLS.some(({ stack }) => isThere(stack))) interop = await Interop.start();
});

afterAll(async () => {
  await interop?.[Symbol.asyncDispose]();
});

const nameOf = ({ stack, version, key }: Cell): string => `${stack}, TLS ${version}, ${key}`;

describe("clients shake hands, in full and by resuming, and are ended in order", () => {
  for (const cell of CELLS)
    test.concurrent.skipIf(!isThere(cell.stack))(nameOf(cell), async () => {
      expect(await interop?.client(cell)).toEqual({ full: [], resumed: [] });
    });
});

describe("endpoints shake hands, in full and by resuming, answer, and end in order", () => {
  for (const cell of CELLS)
    test.concurrent.skipIf(!isThere(cell.stack))(nameOf(cell), async () => {
      expect(await interop?.endpoint(cell)).toEqual({ full: [], resumed: [] });
    });
});
