import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type EtcdParsed,
  parseDelete,
  parsePut,
  parseRange,
  parseTxn,
  parseWatchLine,
} from "./etcd-answer.ts";

// Answers as etcd 3.4.23 gave them.
const HEADER =
  '"header":{"cluster_id":"10144879847569953045","member_id":"12428976124636271536","revision":"7","raft_term":"2"}';
const CLUSTER = "10144879847569953045";
const KV =
  '{"key":"L2EveA==","create_revision":"2","mod_revision":"2","version":"1","value":"djE="}';

const PARSERS: readonly (readonly [string, (text: string) => EtcdParsed<unknown>])[] = [
  ["parseRange", parseRange],
  ["parsePut", parsePut],
  ["parseDelete", parseDelete],
  ["parseTxn", parseTxn],
  ["parseWatchLine", parseWatchLine],
];

function causeOf(parsed: EtcdParsed<unknown>): string | undefined {
  return parsed.ok ? undefined : parsed.cause;
}

describe("parseRange()", () => {
  test("reads keys, with and without a value", () => {
    const empty = '{"key":"L2EvZW1wdHk=","create_revision":"4","mod_revision":"4","version":"1"}';
    expect(parseRange(`{${HEADER},"kvs":[${KV},${empty}],"count":"2"}`)).toEqual({
      ok: true,
      value: {
        cluster: CLUSTER,
        revision: 7n,
        kvs: [
          { key: "/a/x", value: "v1", modRevision: 2n },
          { key: "/a/empty", value: "", modRevision: 4n },
        ],
      },
    });
  });

  test("reads that there is none", () => {
    expect(parseRange(`{${HEADER}}`)).toEqual({
      ok: true,
      value: { cluster: CLUSTER, revision: 7n, kvs: [] },
    });
  });

  test("keeps every byte of a key, and reads values as UTF-8", () => {
    const key = Buffer.from([0x2f, 0xff, 0x00]).toString("base64");
    const value = Buffer.from("é").toString("base64");
    const kvs = JSON.stringify([{ key, value, mod_revision: "9223372036854775807" }]);
    expect(parseRange(`{${HEADER},"kvs":${kvs}}`)).toMatchObject({
      value: { kvs: [{ key: "/\u00ff\u0000", value: "é", modRevision: 2n ** 63n - 1n }] },
    });
  });

  test.each([
    ['"kvs":{}', "kvs that are no list"],
    ['"kvs":[null]', "kvs[0]"],
    [`"kvs":[${KV},{"key":"!","mod_revision":"1"}]`, "kvs[1]"],
    ['"kvs":[{"key":"YQ==","mod_revision":"-1"}]', "kvs[0]"],
    ['"kvs":[{"key":"YQ==","mod_revision":7}]', "kvs[0]"],
    ['"kvs":[{"key":"YQ=="}]', "kvs[0]"],
  ])("says where %s goes wrong", (fields, where) => {
    expect(causeOf(parseRange(`{${HEADER},${fields}}`))).toContain(where);
  });
});

describe("parseTxn()", () => {
  test("reads whether the condition held, and the key where it did not", () => {
    expect(
      parseTxn(
        `{${HEADER},"succeeded":true,"responses":[{"response_put":{"header":{"revision":"5"}}}]}`,
      ),
    ).toEqual({ ok: true, value: { succeeded: true, kvs: [] } });
    expect(
      parseTxn(
        `{${HEADER},"responses":[{"response_range":{"header":{"revision":"4"},"kvs":[${KV}],"count":"1"}}]}`,
      ),
    ).toEqual({
      ok: true,
      value: { succeeded: false, kvs: [{ key: "/a/x", value: "v1", modRevision: 2n }] },
    });
  });
});

describe("parseDelete()", () => {
  test("reads how many keys went", () => {
    expect(parseDelete(`{${HEADER},"deleted":"1"}`)).toEqual({ ok: true, value: 1n });
    expect(parseDelete(`{${HEADER}}`)).toEqual({ ok: true, value: 0n });
  });
});

describe("parseWatchLine()", () => {
  const line = (fields: string): EtcdParsed<unknown> =>
    parseWatchLine(`{"result":{${HEADER}${fields}}}`);

  test("reads every kind of line", () => {
    expect(line(',"created":true')).toEqual({
      ok: true,
      value: { kind: "created", cluster: CLUSTER, revision: 7n },
    });
    expect(line("")).toEqual({ ok: true, value: { kind: "progress", revision: 7n } });
    expect(
      line(`,"events":[{"kv":${KV}},{"type":"DELETE","kv":{"key":"L2EveQ==","mod_revision":"6"}}]`),
    ).toEqual({
      ok: true,
      value: {
        kind: "events",
        events: [
          { kind: "put", kv: { key: "/a/x", value: "v1", modRevision: 2n } },
          { kind: "delete", key: "/a/y", modRevision: 6n },
        ],
        whole: true,
      },
    });
    expect(line(`,"fragment":true,"events":[{"type":"PUT","kv":${KV}}]`)).toMatchObject({
      value: { kind: "events", whole: false },
    });
  });

  test("reads that what was asked for is compacted, which comes without a revision", () => {
    expect(
      parseWatchLine(
        '{"result":{"header":{"cluster_id":"10144879847569953045","raft_term":"2"},"canceled":true,"compact_revision":"5"}}',
      ),
    ).toEqual({ ok: true, value: { kind: "compacted", oldest: 5n } });
  });

  test("takes any other end for a failure, and gives its reason", () => {
    expect(causeOf(line(',"created":true,"canceled":true,"cancel_reason":"denied"'))).toBe(
      "etcd canceled the watch: denied",
    );
    expect(
      causeOf(
        parseWatchLine(
          '{"error":{"grpc_code":14,"http_code":503,"message":"transport is closing","http_status":"Service Unavailable"}}',
        ),
      ),
    ).toBe("etcd ended the watch: transport is closing");
  });

  test.each(['"events":{}', '"events":[{}]', `"events":[{"type":"EXPIRE","kv":${KV}}]`])(
    "refuses %s",
    (fields) => {
      expect(causeOf(line(`,${fields}`))).toContain("events");
    },
  );
});

describe.each(PARSERS)("%s", (_, parse) => {
  test.each(["", "null", "[]", "7", '"x"', "{}", '{"result":7}', '{"header":{}}'])(
    "does not take %j",
    (text) => {
      expect(causeOf(parse(text))).toStartWith("etcd gave");
    },
  );

  test("does not fall over a million brackets", () => {
    expect(causeOf(parse("[".repeat(1_000_000)))).toStartWith("etcd gave");
  });

  test("gives a value or names etcd for any text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.json()), (text) => {
        expect(causeOf(parse(text)) ?? "etcd").toStartWith("etcd");
      }),
    );
  });

  test("gives a value or names etcd for any answer of the right shape with wrong values", () => {
    const any = fc.oneof(fc.jsonValue(), fc.constantFrom("", "7", "YQ==", true, "DELETE"));
    const record = <T>(fields: Record<string, fc.Arbitrary<T>>) =>
      fc.record(fields, { requiredKeys: [] });
    const kv = fc.oneof(any, record({ key: any, value: any, mod_revision: any }));
    const header = fc.oneof(any, fc.constant({ cluster_id: "1", revision: "7" }));
    const answer = record<unknown>({
      header,
      kvs: fc.oneof(any, fc.array(kv)),
      events: fc.oneof(any, fc.array(record({ type: any, kv }))),
      responses: fc.oneof(any, fc.array(record({ response_range: record({ kvs: any }) }))),
      succeeded: any,
      deleted: any,
      created: any,
      canceled: any,
      compact_revision: any,
      error: fc.oneof(any, record({ message: any })),
    });
    fc.assert(
      fc.property(answer, fc.boolean(), (value, wrapped) => {
        const text = JSON.stringify(wrapped ? { result: value } : value);
        expect(causeOf(parse(text)) ?? "etcd").toStartWith("etcd");
      }),
      { numRuns: 500 },
    );
  });
});
