// The judge must find each kind of failure, or the suite proves nothing.
import { expect, test } from "bun:test";
import { deviations, type Outcome, type Seen } from "./judge.ts";
import { casesOf, close, fin, receiveAll, reset, send, sendUntilRefused } from "./script.ts";

const SEEN: Seen = { sent: 0, got: 0, wrongAt: null, ends: [], refused: false, problem: null };
const [closes, aborts, refuses] = casesOf([
  {
    name: "closes",
    says: "",
    by: { steps: [send(10), close], sees: { gets: "nothing" } },
    other: { steps: [receiveAll], sees: { gets: "all", ends: ["end"] } },
  },
  {
    name: "aborts",
    says: "",
    by: { steps: [send(10), reset], sees: { gets: "nothing" } },
    other: { steps: [receiveAll], sees: { gets: "part", ends: ["abort"] } },
  },
  {
    name: "refuses",
    says: "",
    by: { steps: [fin], sees: { gets: "part" } },
    other: { steps: [sendUntilRefused], sees: { gets: "nothing", refused: true } },
  },
]).filter((_, at) => at % 2 === 0);

function outcome(endpoint: Partial<Seen>, client: Partial<Seen> = { sent: 10 }): Outcome {
  return { client: { ...SEEN, ...client }, endpoint: { ...SEEN, ...endpoint } };
}

if (closes === undefined || aborts === undefined || refuses === undefined)
  throw new Error("the cases of this test are missing");

test("what is as it must be has no deviations", () => {
  expect(deviations(closes, "plain", outcome({ got: 10, ends: ["end"] }))).toEqual([]);
  expect(deviations(aborts, "plain", outcome({ got: 3, ends: ["reset"] }))).toEqual([]);
  expect(deviations(refuses, "plain", outcome({ refused: true, sent: 5 }))).toEqual([]);
});

test("lost, wrong and surplus bytes are told", () => {
  expect(deviations(closes, "plain", outcome({ got: 9, ends: ["end"] }))).toEqual([
    "endpoint got 9 of 10 bytes",
  ]);
  expect(deviations(closes, "plain", outcome({ got: 10, wrongAt: 4, ends: ["end"] }))).toEqual([
    "endpoint got a wrong byte at 4",
  ]);
  expect(deviations(aborts, "plain", outcome({ got: 11, ends: ["reset"] }))).toEqual([
    "endpoint got 11 bytes of 10",
  ]);
  expect(
    deviations(closes, "plain", outcome({ got: 10, ends: ["end"] }, { sent: 10, got: 1 })),
  ).toEqual(["client got 1 bytes unasked"]);
});

test("a wrong end is told, and so is one that never came", () => {
  expect(deviations(aborts, "plain", outcome({ ends: ["end"] }))).toEqual([
    "endpoint saw a good end instead of abort",
  ]);
  expect(deviations(closes, "plain", outcome({ got: 10, ends: ["open"] }))).toEqual([
    "endpoint saw no end within 8 s instead of end",
  ]);
  expect(deviations(closes, "plain", outcome({ got: 10 }))).toEqual([
    "endpoint saw no end instead of end",
  ]);
});

test("a bare FIN is an abort to who speaks TLS, and no good end", () => {
  const seen = outcome({ got: 10, ends: ["fin"] });
  expect(deviations(aborts, "tls-endpoint", seen)).toEqual([]);
  expect(deviations(aborts, "tls-client", seen)).toHaveLength(1);
  expect(deviations(closes, "tls-endpoint", seen)).toEqual([
    "endpoint saw a FIN without close_notify instead of end",
  ]);
});

test("a sender that nobody stops, and a step that fails, are told", () => {
  expect(deviations(refuses, "plain", outcome({}))).toEqual([
    "endpoint was never refused when it sent",
  ]);
  const stuck = outcome({ got: 10, ends: ["end"], problem: "send: TimeoutError timed out" });
  expect(deviations(closes, "plain", stuck)).toEqual([
    "endpoint could not go on: send: TimeoutError timed out",
  ]);
});
