import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { endpointSlice, service } from "../../../test/support/kubernetes-objects.ts";
import { parseEvent, parsePage } from "./k8s-object.ts";
import { endpointsOf, readService, readSlice } from "./k8s-slices.ts";

const page = (list: unknown) => parsePage(JSON.stringify(list), readSlice);
const event = (value: unknown) => parseEvent(JSON.stringify(value), readSlice);
const object = (name: unknown, version: unknown = "7") => ({
  metadata: { name, resourceVersion: version },
  addressType: "IPv4",
});

describe("parsePage()", () => {
  test("reads the objects by name, the version, and what comes next", () => {
    const metadata = { resourceVersion: "12", continue: "more", remainingItemCount: 3 };
    const parsed = page({ kind: "EndpointSliceList", metadata, items: [object("a"), object("b")] });
    expect(parsed).toMatchObject({ ok: true, value: { version: "12", next: "more" } });
    expect(parsed.ok && [...parsed.value.items.keys()]).toEqual(["a", "b"]);
  });

  test("takes a list that Go never filled, and an empty continue for none", () => {
    const parsed = page({ metadata: { resourceVersion: "1", continue: "" }, items: null });
    expect(parsed).toEqual({
      ok: true,
      value: { items: new Map(), version: "1", next: undefined },
    });
  });

  test("a problem names Kubernetes and what is wrong", () => {
    const problems: readonly (readonly [unknown, string])[] = [
      [7, "Kubernetes answered: 7"],
      [{ items: [] }, "Kubernetes gave a list without a resourceVersion"],
      [{ metadata: { resourceVersion: 7 } }, "Kubernetes gave a list without a resourceVersion"],
      [
        { metadata: { resourceVersion: "1" }, items: {} },
        "Kubernetes gave a list whose items are no list",
      ],
      [
        { metadata: { resourceVersion: "1" }, items: [{}] },
        "Kubernetes gave an object without a name",
      ],
      [
        { metadata: { resourceVersion: "1" }, items: [{ ...object("a"), endpoints: "x" }] },
        "Kubernetes gave a, which cannot be used: its endpoints are no list",
      ],
    ];
    for (const [list, problem] of problems) expect(page(list)).toEqual({ ok: false, problem });
    expect(parsePage("<html>", readSlice)).toMatchObject({ ok: false });
  });
});

describe("parseEvent()", () => {
  test("reads each kind", () => {
    const set = event({ type: "ADDED", object: object("a", "8") });
    expect(set).toMatchObject({ ok: true, value: { kind: "set", name: "a", version: "8" } });
    expect(event({ type: "MODIFIED", object: object("a", "8") })).toEqual(set);
    expect(event({ type: "DELETED", object: object("a", "9") })).toEqual({
      ok: true,
      value: { kind: "deleted", name: "a", version: "9" },
    });
    const mark = { metadata: { resourceVersion: "10", creationTimestamp: null }, endpoints: null };
    expect(event({ type: "BOOKMARK", object: mark })).toEqual({
      ok: true,
      value: { kind: "bookmark", version: "10" },
    });
  });

  test("tells a forgotten version from other errors", () => {
    const gone = { kind: "Status", code: 410, reason: "Expired", message: "too old" };
    expect(event({ type: "ERROR", object: gone })).toEqual({
      ok: true,
      value: { kind: "expired" },
    });
    expect(event({ type: "ERROR", object: { code: 500, message: "etcd\nis away" } })).toEqual({
      ok: true,
      value: { kind: "failed", cause: "Kubernetes ended a watch: etcd is away" },
    });
    expect(event({ type: "ERROR" })).toMatchObject({ ok: true, value: { kind: "failed" } });
  });

  test("an event without name, version or type that is known is a problem", () => {
    for (const bad of [
      { type: "ADDED", object: object("") },
      { type: "ADDED", object: object("a", null) },
      { type: "ADDED" },
      { type: "DELETED", object: object(undefined) },
      { type: "BOOKMARK", object: { metadata: {} } },
      { type: "added", object: object("a") },
      { type: null },
      [],
      null,
    ]) {
      expect(event(bad).ok).toBe(false);
    }
  });
});

describe("whatever the text", () => {
  /** A document that is right but for what is changed somewhere in it. */
  function spoilt(root: object): fc.Arbitrary<unknown> {
    const spots = [...placesIn(root)];
    return fc
      .tuple(fc.constantFrom(...spots), fc.oneof(fc.jsonValue(), fc.constant(undefined)))
      .map(([path, value]) => withAt(root, path, value));
  }

  const slice = endpointSlice("a", "web", {
    endpoints: [
      { ip: "10.0.0.1", node: "n" },
      { ip: "::1", conditions: { ready: null } },
    ],
  });
  const list = { metadata: { resourceVersion: "1" }, items: [slice, service("b", [{ port: 1 }])] };
  const added = {
    type: "ADDED",
    object: { ...slice, metadata: { name: "a", resourceVersion: "1" } },
  };
  const texts = fc.oneof(
    fc.string(),
    fc.json(),
    spoilt(list).map((it) => JSON.stringify(it) ?? ""),
    spoilt(added).map((it) => JSON.stringify(it) ?? ""),
    fc.nat(200).map((end) => JSON.stringify(added).slice(0, end)),
  );

  test("there is a value or a sentence that names Kubernetes, and endpoints that can be used", () => {
    let good = 0;
    fc.assert(
      fc.property(texts, (text) => {
        for (const read of [readSlice, readService]) {
          for (const parsed of [parsePage<unknown>(text, read), parseEvent<unknown>(text, read)]) {
            if (!parsed.ok) expect(parsed.problem).toMatch(/^Kubernetes [^\n]{1,600}$/);
          }
        }
        const parsed = parsePage(text, readSlice);
        if (!parsed.ok) return;
        good++;
        for (const { ip, port } of endpointsOf(parsed.value.items.values(), "http").endpoints) {
          expect(ip).toMatch(/^[0-9a-f.:]+$/);
          expect(port).toBeWithin(1, 65_536);
        }
      }),
      { numRuns: 3_000 },
    );
    // Not all of it is refused at the door.
    expect(good).toBeGreaterThan(100);
  });

  test("deep nesting is a problem, and no crash", () => {
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    expect(parsePage(deep, readSlice).ok).toBe(false);
    expect(parseEvent(`{"type":"ADDED","object":${deep}}`, readSlice).ok).toBe(false);
  });
});

function* placesIn(value: unknown, path: readonly string[] = []): Generator<readonly string[]> {
  yield path;
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) yield* placesIn(inner, [...path, key]);
}

function withAt(value: unknown, path: readonly string[], put: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return put;
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([name, inner]) => [
    name,
    name === key ? withAt(inner, rest, put) : inner,
  ]);
  return Array.isArray(value) ? entries.map(([, inner]) => inner) : Object.fromEntries(entries);
}
