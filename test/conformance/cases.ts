// The table of the suite: what a TCP proxy owes the two ends of a connection.
import {
  awaits,
  casesOf,
  close,
  closeUnread,
  type End,
  fill,
  fin,
  notify,
  receive,
  receiveAll,
  receiveNothing,
  reset,
  type Scenario,
  send,
  sendAside,
  sendUntilRefused,
  shutdown,
  stall,
  tell,
} from "./script.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
/** More than the buffers of the kernel and of a proxy take on the way. */
const BULK = 24 * MIB;
const SOME = 64 * KIB;
const TURNS = 50;

const turns = (first: boolean) =>
  Array.from({ length: TURNS }, () => (first ? [send(10), receive(10)] : [receive(10), send(10)]));

const BYTES: readonly Scenario[] = [
  {
    name: "turns",
    says: "The {by} speaks first; then they take turns.",
    by: { steps: [...turns(true).flat(), close], sees: { gets: "all" } },
    other: { steps: [...turns(false).flat(), receiveAll], sees: { gets: "all", ends: ["end"] } },
  },
  {
    name: "both ways",
    says: "Both send 24 MiB at the same time, and end.",
    symmetric: true,
    by: {
      steps: [sendAside(BULK), receive(BULK), shutdown, receiveAll],
      sees: { gets: "all", ends: ["end"] },
    },
    other: {
      steps: [sendAside(BULK), receive(BULK), shutdown, receiveAll],
      sees: { gets: "all", ends: ["end"] },
    },
  },
  {
    name: "silence",
    says: "Nobody says anything for a second; then the {by} does.",
    by: { steps: [receiveNothing(1_000), send(1), close], sees: { gets: "all", ends: ["open"] } },
    other: { steps: [receiveAll], sees: { gets: "all", ends: ["end"] } },
  },
  {
    name: "stall",
    says: "The {other} reads nothing for half a second while the {by} sends 24 MiB, then reads all.",
    by: { steps: [send(BULK), close], sees: { gets: "all" } },
    other: { steps: [stall(500), receiveAll], sees: { gets: "all", ends: ["end"] } },
  },
  {
    name: "one way stalled",
    says: "While the {other} reads nothing of 24 MiB, what it sends itself arrives.",
    by: {
      steps: [sendAside(BULK), stall(300), receive(MIB), tell("arrived")],
      sees: { gets: "all" },
    },
    other: { steps: [send(MIB), awaits("arrived"), receive(BULK)], sees: { gets: "all" } },
  },
];

const CLOSES: readonly Scenario[] = [
  {
    name: "close after the answer",
    says: "The {by} asks, gets its answer and closes.",
    by: { steps: [send(SOME), receive(SOME), close], sees: { gets: "all" } },
    other: {
      steps: [receive(SOME), send(SOME), receiveAll, close],
      sees: { gets: "all", ends: ["end"] },
    },
  },
  {
    name: "close at once",
    says: "The {by} sends 64 KiB and closes.",
    by: { steps: [send(SOME), close], sees: { gets: "nothing" } },
    other: { steps: [receiveAll], sees: { gets: "all", ends: ["end"] } },
  },
  {
    name: "close without a word",
    says: "The {by} closes, and nobody has sent anything.",
    by: { steps: [close], sees: { gets: "nothing" } },
    other: { steps: [receiveAll], sees: { gets: "nothing", ends: ["end"] } },
  },
  {
    name: "close behind a stalled reader",
    says: "The {by} sends as much as is taken, and closes; the {other} reads later.",
    by: { steps: [fill, tell("full"), close], sees: { gets: "nothing" } },
    other: {
      steps: [awaits("full"), stall(300), receiveAll],
      sees: { gets: "all", ends: ["end"] },
    },
  },
  {
    name: "close before a talker",
    says: "The {by} closes; the {other} goes on sending, and is told.",
    by: { steps: [send(1), close], sees: { gets: "nothing" } },
    other: {
      steps: [receiveAll, sendUntilRefused],
      sees: { gets: "all", ends: ["end"], refused: true },
    },
  },
];

const HALF_CLOSES: readonly Scenario[] = [
  {
    name: "half-close, then an answer",
    says: "The {by} sends 64 KiB and ends its direction; the {other} answers 1 MiB.",
    by: { steps: [send(SOME), shutdown, receiveAll], sees: { gets: "all", ends: ["end"] } },
    other: {
      steps: [receiveAll, send(MIB), close],
      sees: { gets: "all", ends: ["end"] },
    },
  },
  {
    name: "half-close without a word",
    says: "The {by} ends its direction and has sent nothing; the {other} sends 1 MiB.",
    by: { steps: [shutdown, receiveAll], sees: { gets: "all", ends: ["end"] } },
    other: { steps: [receiveAll, send(MIB), close], sees: { gets: "nothing", ends: ["end"] } },
  },
  {
    name: "half-close, then a long silence",
    says: "The {by} ends its direction; the {other} answers two seconds later.",
    by: { steps: [send(1), shutdown, receiveAll], sees: { gets: "all", ends: ["end"] } },
    other: {
      steps: [receiveAll, stall(2_000), send(SOME), close],
      sees: { gets: "all", ends: ["end"] },
    },
  },
  {
    name: "half-close at the same time",
    says: "Both send 64 KiB and end their direction.",
    symmetric: true,
    by: { steps: [send(SOME), shutdown, receiveAll], sees: { gets: "all", ends: ["end"] } },
    other: { steps: [send(SOME), shutdown, receiveAll], sees: { gets: "all", ends: ["end"] } },
  },
  {
    name: "half-close behind a stalled reader",
    says: "The {by} sends as much as is taken and ends its direction; the {other} reads later, and answers.",
    by: { steps: [fill, tell("full"), shutdown, receiveAll], sees: { gets: "all", ends: ["end"] } },
    other: {
      steps: [awaits("full"), stall(300), receiveAll, send(MIB), close],
      sees: { gets: "all", ends: ["end"] },
    },
  },
  {
    name: "half-close, then a stalled answer",
    says: "The {by} ends its direction and reads late; the {other} sends as much as is taken, and closes.",
    by: {
      steps: [send(1), shutdown, awaits("full"), stall(300), receiveAll],
      sees: { gets: "all", ends: ["end"] },
    },
    other: {
      steps: [receiveAll, fill, tell("full"), close],
      sees: { gets: "all", ends: ["end"] },
    },
  },
  {
    name: "half-close, then a reset by the other",
    says: "The {by} ends its direction; the {other} sends 64 KiB and resets.",
    by: {
      steps: [send(1), shutdown, receive(SOME), tell("got"), receiveAll],
      sees: { gets: "all", ends: ["abort"] },
    },
    other: {
      steps: [receiveAll, send(SOME), awaits("got"), reset],
      sees: { gets: "all", ends: ["end"] },
    },
  },
  {
    name: "half-close, then a reset",
    says: "The {by} ends its direction, and resets while the {other} sends.",
    by: { steps: [send(1), shutdown, receive(1), reset], sees: { gets: "part" } },
    other: {
      steps: [receiveAll, sendUntilRefused],
      sees: { gets: "all", ends: ["end"], refused: true },
    },
  },
];

const RESETS: readonly Scenario[] = [
  {
    name: "reset",
    says: "They have exchanged bytes; the {by} resets.",
    by: { steps: [send(SOME), receive(SOME), reset], sees: { gets: "all" } },
    other: {
      steps: [receive(SOME), send(SOME), receiveAll],
      sees: { gets: "all", ends: ["abort"] },
    },
  },
  {
    name: "reset after bytes",
    says: "The {by} sends 64 KiB and resets half a second later; the {other} reads after that.",
    by: { steps: [send(SOME), stall(500), reset, tell("reset")], sees: { gets: "nothing" } },
    other: {
      steps: [awaits("reset"), receiveAll],
      sees: { gets: "all", ends: ["abort"] },
    },
  },
  {
    name: "reset on the heels of bytes",
    says: "The {by} sends 1 MiB and resets at once.",
    by: { steps: [send(MIB), reset], sees: { gets: "nothing" } },
    other: { steps: [receiveAll], sees: { gets: "part", ends: ["abort"] } },
  },
  {
    name: "reset before a talker",
    says: "The {other} sends more than the {by} reads; the {by} resets.",
    by: { steps: [awaits("full"), reset], sees: { gets: "nothing" } },
    other: {
      steps: [fill, tell("full"), sendUntilRefused],
      sees: { gets: "nothing", refused: true },
    },
  },
  {
    name: "reset behind a stalled reader",
    says: "The {by} sends as much as is taken, and resets; the {other} reads later.",
    by: { steps: [fill, reset, tell("full")], sees: { gets: "nothing" } },
    other: {
      steps: [awaits("full"), stall(300), receiveAll],
      sees: { gets: "part", ends: ["abort"] },
    },
  },
  {
    name: "close with bytes unread",
    says: "The {by} closes without having read what the {other} sent: a reset, which the {other} is told.",
    by: { steps: [awaits("sent"), closeUnread], sees: { gets: "nothing" } },
    other: {
      steps: [send(SOME), tell("sent"), receiveAll],
      sees: { gets: "nothing", ends: ["abort"] },
    },
  },
];

const EITHER: readonly End[] = ["end", "abort"];

const TLS_ENDS: readonly Scenario[] = [
  {
    name: "close_notify without FIN",
    says: "The {by} ends its direction by close_notify alone; the {other} answers 1 MiB.",
    tlsOnly: true,
    by: { steps: [send(SOME), notify, receiveAll], sees: { gets: "all", ends: ["end"] } },
    other: { steps: [receiveAll, send(MIB), close], sees: { gets: "all", ends: ["end"] } },
  },
  {
    name: "FIN without close_notify",
    says: "The {by} sends 64 KiB and ends by FIN alone: the {other} gets all of it, and any end.",
    tlsOnly: true,
    by: { steps: [send(SOME), fin], sees: { gets: "nothing" } },
    other: { steps: [receiveAll], sees: { gets: "all", ends: [EITHER] } },
  },
];

/** All scenarios. */
export const SCENARIOS: readonly Scenario[] = [
  ...BYTES,
  ...CLOSES,
  ...HALF_CLOSES,
  ...RESETS,
  ...TLS_ENDS,
];

/** All rows of the table. */
export const CASES = casesOf(SCENARIOS);
