import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  givenByBody,
  givenByQuery,
  type Read,
  readDrain,
  readKill,
  readList,
  readOverride,
} from "./control-requests.ts";

function value<T>(read: Read<T>): T {
  if (!read.ok) throw new Error(read.message);
  return read.value;
}

function message(read: Read<unknown>): string {
  if (read.ok) throw new Error(`it was read as ${JSON.stringify(read.value)}`);
  return read.message;
}

describe("readList", () => {
  test("takes a query and JSON alike", () => {
    const query =
      "id=0.1,1.2&server=[::1]:80&router=r&dst=/svc/web&endpoint=10.0.0.1:80&source=10.1.2.3/8&minAgeSecs=2.5" +
      "&minIdleSecs=1&minBytes=10&maxBytes=20&sort=bytes&limit=7";
    const expected = {
      filter: {
        ids: ["0.1", "1.2"],
        server: { ip: "::1", port: 80 },
        router: "r",
        dst: "/svc/web",
        endpoint: { ip: "10.0.0.1", port: 80 },
        source: "10.0.0.0/8",
        minAgeMs: 2_500,
        minIdleMs: 1_000,
        minBytes: 10,
        maxBytes: 20,
      },
      order: "bytes" as const,
      limit: 7,
    };
    expect(value(readList(givenByQuery(new URLSearchParams(query))))).toEqual(expected);
    const object = Object.fromEntries(new URLSearchParams(query));
    const json = { ...object, id: ["0.1", "1.2"], minAgeSecs: 2.5, limit: 7 };
    expect(value(readList(json))).toEqual(expected);
  });

  test("shows the hundred oldest of all where nothing is said", () => {
    expect(value(readList({}))).toEqual({ filter: {}, order: "age", limit: 100 });
  });

  test.each([
    [{ surce: "10.0.0.1" }, 'there is no key "surce"; the keys are id, server'],
    [{ source: "10.0.0.1/33" }, "source: expected an address or a block of addresses"],
    [{ endpoint: "web:80" }, 'endpoint: expected an address such as 10.0.0.1:80, found "web:80"'],
    [{ minAgeSecs: "-1" }, 'minAgeSecs: expected a number, 0 or more, found "-1"'],
    [{ minBytes: Number.NaN }, "minBytes: expected a number"],
    [{ limit: 0 }, "limit: expected a number above 0, found 0"],
    [{ sort: "name" }, 'sort: expected age, idle or bytes, found "name"'],
    [{ id: [] }, "id: expected an id"],
    [{ id: "0." }, "id: expected an id"],
    [{ id: ["0.1", "0.0"] }, "id: expected an id"],
    [{ toString: "x" }, 'there is no key "toString"'],
  ])("says what is wrong with %j", (given, text) => {
    expect(message(readList(given))).toContain(text);
  });
});

describe("readKill and readDrain", () => {
  test("end everything only when that is said", () => {
    for (const read of [readKill, readDrain]) {
      expect(message(read({}))).toContain("this would end all connections");
      expect(message(read({ all: false }))).toContain("this would end all connections");
      expect(value(read({ all: true })).filter).toEqual({});
      expect(value(read({ router: "r" })).filter).toEqual({ router: "r" });
    }
  });

  test("leave to the destination how it is drained, where nothing is said", () => {
    const left = { windowMs: undefined, maxPerSecond: Number.POSITIVE_INFINITY };
    expect(value(readDrain({ all: true })).how).toEqual({
      kind: "drain",
      stopNew: false,
      ...left,
      deadlineMs: undefined,
    });
    const said = { windowSecs: 0, maxPerSec: "5", deadlineSecs: 60, stopNew: true };
    expect(value(readDrain({ endpoint: "10.0.0.1:80", ...said })).how).toEqual({
      kind: "drain",
      stopNew: true,
      windowMs: 0,
      maxPerSecond: 5,
      deadlineMs: 60_000,
    });
  });
});

test("stopNew needs something of which there may be no new ones", () => {
  expect(message(readDrain({ dst: "/svc/web", stopNew: true }))).toBe(
    "stopNew goes with an endpoint or a server",
  );
});

describe("readOverride", () => {
  const endpoint = "10.0.0.1:80";
  const target = { endpoint: { ip: "10.0.0.1", port: 80 }, router: undefined, dst: undefined };

  test("tells what is not wanted from what is not said", () => {
    expect(value(readOverride({ endpoint, weight: "0.5", forSecs: 60 }))).toEqual({
      target,
      wish: { weight: 0.5 },
      forMs: 60_000,
    });
    expect(value(readOverride({ endpoint, weight: null, enabled: false }))).toEqual({
      target,
      wish: { weight: null, enabled: false },
      forMs: undefined,
    });
  });

  test.each([
    [{ weight: 1 }, "endpoint is missing"],
    [{ endpoint }, "nothing is wanted"],
    [
      { endpoint, weight: -1 },
      "weight: expected a number from 0 to 1000000, or null for what the name",
    ],
    [{ endpoint, weight: 1e308 }, "found 1e+308"],
    [{ endpoint, weight: Number.POSITIVE_INFINITY }, "found Infinity"],
    [{ endpoint, enabled: "no" }, "enabled: expected true or false, or null"],
    [{ endpoint, weight: 1, forSecs: 0 }, "forSecs: expected a number above 0"],
  ])("says what is wrong with %j", (given, text) => {
    expect(message(readOverride(given))).toContain(text);
  });
});

test("A body is an object, or nothing", () => {
  expect(value(givenByBody(undefined))).toEqual({});
  expect(message(givenByBody([1]))).toContain("must be a JSON object");
});

test("Whatever is given is read or refused with a message", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (given) => {
      for (const read of [readList, readKill, readDrain, readOverride]) {
        const result = read(given);
        if (!result.ok) expect(result.message.length).toBeGreaterThan(0);
      }
    }),
  );
});
