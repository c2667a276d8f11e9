import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseEtcdEndpoints } from "./etcd-endpoints.ts";

const at = (host: string, port: number, weight = 1) => ({ host, port, weight });

describe("parseEtcdEndpoints()", () => {
  test.each([
    ["10.0.0.1:80", at("10.0.0.1", 80)],
    [" 10.0.0.1 80 * 2\n", at("10.0.0.1", 80, 2)],
    ["[::1]:80", at("::1", 80)],
    ["web.local:80", at("web.local", 80)],
    ['"10.0.0.1:80"', at("10.0.0.1", 80)],
    ['{"host":"web.local","port":80}', at("web.local", 80)],
    ['{"ip":"0:0::1","port":"80","weight":0.5,"zone":"a"}', at("::1", 80, 0.5)],
    ['{"ip":"10.0.0.1","host":"web.local","port":80}', at("10.0.0.1", 80)],
  ])("reads %s as one endpoint", (text, endpoint) => {
    expect(parseEtcdEndpoints(text)).toEqual({ endpoints: [endpoint], problems: [] });
  });

  test("reads a list, bare or in an object, of all of these", () => {
    const list = '["10.0.0.1:80", "[::1]:81 * 3", {"host":"web","port":82}]';
    const endpoints = [at("10.0.0.1", 80), at("::1", 81, 3), at("web", 82)];
    expect(parseEtcdEndpoints(list)).toEqual({ endpoints, problems: [] });
    expect(parseEtcdEndpoints(`{"endpoints":${list}}`)).toEqual({ endpoints, problems: [] });
    expect(parseEtcdEndpoints("[]")).toEqual({ endpoints: [], problems: [] });
  });

  test("keeps what is good of a list, and says what is not, with its place", () => {
    const text =
      '{"endpoints":["10.0.0.1:80", 7, "x", {"host":"a b","port":1}, {"ip":"web","port":1}, {"host":"a","port":0}, {"host":"a","port":1,"weight":-1}]}';
    expect(parseEtcdEndpoints(text)).toEqual({
      endpoints: [at("10.0.0.1", 80)],
      problems: [
        "endpoints[1]: expected host:port, or an object with host and port",
        "endpoints[2]: the port is missing",
        "endpoints[3]: the host must be an IP address or a host name",
        "endpoints[4]: the host must be an IP address or a host name",
        "endpoints[5]: the port must be a number from 1 to 65535",
        "endpoints[6]: the weight must be a number, 0 or more",
      ],
    });
  });

  test.each(["", " ", "null", "7", "true", "{}", '{"endpoints":7}', '{"host":', "[[", "a:b"])(
    "has one problem with %j",
    (text) => {
      const { endpoints, problems } = parseEtcdEndpoints(text);
      expect([endpoints.length, problems.length]).toEqual([0, 1]);
    },
  );

  test("gives only endpoints that can be used, or problems, for any text", () => {
    const any = fc.oneof(fc.jsonValue(), fc.constantFrom<unknown>("10.0.0.1", 80, "80", 1));
    const endpoint = fc.record(
      { host: any, ip: any, port: any, weight: any },
      { requiredKeys: [] },
    );
    const json = fc.oneof(endpoint, fc.array(fc.oneof(any, endpoint)));
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.json(),
      json.map((it) => JSON.stringify(it)),
    );
    fc.assert(
      fc.property(text, (it) => {
        for (const { host, port, weight } of parseEtcdEndpoints(it).endpoints) {
          expect(host).not.toBe("");
          expect(port).toBeWithin(1, 65_536);
          expect(weight).toBeWithin(0, Infinity);
        }
      }),
      { numRuns: 500 },
    );
  });
});
