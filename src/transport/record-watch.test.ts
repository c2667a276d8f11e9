// Sockets with it are tested in test/integration/tls-ends.test.ts.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { RecordWatch } from "./record-watch.ts";

interface Suite {
  readonly what: string;
  /** What a record has beside its data. */
  readonly extra: number;
  readonly alert: { readonly type: number; readonly length: number };
}

const SUITES: readonly Suite[] = [
  { what: "TLS 1.3", extra: 17, alert: { type: 23, length: 19 } },
  { what: "TLS 1.2 with AES-GCM", extra: 24, alert: { type: 21, length: 26 } },
  { what: "TLS 1.2 with ChaCha20-Poly1305", extra: 16, alert: { type: 21, length: 18 } },
];

function record(type: number, length: number): Buffer {
  return Buffer.concat([Buffer.of(type, 3, 3, length >> 8, length & 255), Buffer.alloc(length, 7)]);
}

const sizes = fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 8 });
/** Where a stream is cut into what is read at once, in parts of it. */
const cuts = fc.array(fc.nat(1_000), { maxLength: 8 });

/** Shows a watch the records of data and what follows, cut so, each with the data that ended in it. */
function watched(
  { extra }: Suite,
  data: readonly number[],
  last: Uint8Array,
  at: readonly number[],
): RecordWatch {
  const watch = new RecordWatch();
  watch.onRecords(Buffer.concat([record(22, 40), record(20, 1), record(22, 40)]));
  const whole = Buffer.concat([...data.map((size) => record(23, size + extra)), last]);
  const ends: { readonly at: number; readonly size: number }[] = [];
  let sum = 0;
  for (const size of data) {
    sum += size + extra + 5;
    ends.push({ at: sum, size });
  }
  const places = [...at.map((part) => Math.floor((part * whole.length) / 1_000)), whole.length];
  let from = 0;
  for (const to of places.toSorted((a, b) => a - b)) {
    if (to === from) continue;
    watch.onRecords(whole.subarray(from, to));
    for (const { at: end, size } of ends) if (end > from && end <= to) watch.onData(size);
    from = to;
  }
  return watch;
}

for (const suite of SUITES) {
  const { what, alert } = suite;
  const hidesTypes = alert.type === 23;

  test(`${what}: an alert at the end is an end in order, however it is cut`, () => {
    fc.assert(
      fc.property(sizes, cuts, (data, at) => {
        const last = record(alert.type, alert.length);
        expect(watched(suite, data, last, at).endedInOrder(hidesTypes)).toBe(true);
      }),
    );
  });

  test(`${what}: data at the end is none, nor is a record that is cut short`, () => {
    fc.assert(
      fc.property(sizes, cuts, fc.nat(1_000), (data, at, part) => {
        const none = new Uint8Array(0);
        expect(watched(suite, data, none, at).endedInOrder(hidesTypes)).toBe(false);
        const last = record(alert.type, alert.length);
        const cut = last.subarray(0, 1 + Math.floor((part * (last.length - 2)) / 1_000));
        expect(watched(suite, data, cut, at).endedInOrder(hidesTypes)).toBe(false);
      }),
    );
  });
}

test("takes any bytes", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 })), (chunks) => {
      const watch = new RecordWatch();
      for (const chunk of chunks) watch.onRecords(chunk);
      expect(typeof watch.endedInOrder(true)).toBe("boolean");
    }),
  );
});
