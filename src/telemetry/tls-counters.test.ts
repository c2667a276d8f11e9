import { expect, test } from "bun:test";
import { SERVER_TLS_METRICS } from "./catalogue/tls.ts";
import { Registry, type RegistryEvent } from "./registry.ts";
import { type CountedHandshake, TlsCounters } from "./tls-counters.ts";

const GOOD: CountedHandshake = {
  version: "TLSv1.3",
  cipher: "TLS_AES_128_GCM_SHA256",
  group: "X25519MLKEM768",
  alpn: "h2",
  resumed: false,
};

function scene() {
  const events: RegistryEvent[] = [];
  const counters = new TlsCounters(
    new Registry((event) => events.push(event)),
    SERVER_TLS_METRICS,
    ["r", "127.0.0.1:443"],
  );
  const pages = () =>
    events.flatMap((event) => (event.type === "page" ? [new Float64Array(event.buffer)] : []));
  /** What is counted, by name and the values of labels. */
  const counts = (): Record<string, number> =>
    Object.fromEntries(
      events.flatMap((event) =>
        event.type === "declare"
          ? [
              [
                `${event.definition.name} ${event.labels.join(" ")}`,
                pages()[event.page]?.[event.slot + 1] ?? Number.NaN,
              ],
            ]
          : [],
      ),
    );
  return { counters, counts, events };
}

test("counts handshakes by what was agreed upon, with the labels of the server behind", () => {
  const { counters, counts } = scene();
  counters.agreed(GOOD);
  counters.agreed(GOOD);
  counters.agreed({ ...GOOD, resumed: true, alpn: undefined });
  const server = "r 127.0.0.1:443";
  expect(counts()).toEqual({
    [`l5d_srv_tls_handshakes_total TLS_AES_128_GCM_SHA256 false TLSv1.3 ${server}`]: 2,
    [`l5d_srv_tls_handshakes_total TLS_AES_128_GCM_SHA256 true TLSv1.3 ${server}`]: 1,
    [`l5d_srv_tls_groups_total X25519MLKEM768 ${server}`]: 3,
    [`l5d_srv_tls_alpn_total h2 ${server}`]: 2,
    [`l5d_srv_tls_alpn_total none ${server}`]: 1,
  });
});

test("what is not on the lists is other, and so are protocols beyond the 32nd", () => {
  const { counters, counts } = scene();
  counters.agreed({ ...GOOD, version: "TLSv1.1", cipher: "RC4", group: "0x1234" });
  for (let index = 0; index < 100; index += 1) counters.agreed({ ...GOOD, alpn: `p${index}` });
  const names = Object.keys(counts());
  expect(names).toContain("l5d_srv_tls_handshakes_total other false other r 127.0.0.1:443");
  expect(names).toContain("l5d_srv_tls_groups_total other r 127.0.0.1:443");
  expect(counts()["l5d_srv_tls_alpn_total other r 127.0.0.1:443"]).toBe(69);
  expect(names.length).toBe(2 + 2 + 33);
});

test("a reason that is expected is there before its first failure, and all ends with release", () => {
  const { counters, counts, events } = scene();
  counters.expect(["expired", "left"]);
  counters.failed("expired");
  expect(counts()).toEqual({
    "l5d_srv_tls_handshake_failure_reason_total expired r 127.0.0.1:443": 1,
    "l5d_srv_tls_handshake_failure_reason_total left r 127.0.0.1:443": 0,
  });
  counters.release();
  expect(events.filter(({ type }) => type === "release")).toHaveLength(2);
});
