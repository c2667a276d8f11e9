// What all dialogues keep: the verdict does not depend on how bytes are split, and nothing that is said makes them throw.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Dialogue, DialogueFactory, Turn } from "../dialogue.ts";
import { exchangeDialogues } from "./exchange.ts";
import { httpDialogues } from "./http.ts";
import { postgresDialogues } from "./postgres.ts";
import { redisDialogues } from "./redis.ts";

const POSTGRES = {
  kind: "postgres",
  role: "primary",
  user: "u",
  database: "d",
  password: "p",
} as const;
const REDIS = { kind: "redis", role: "master", user: "u", password: "p" } as const;
const ranges = [{ from: 200, to: 399 }];

const KINDS: Readonly<Record<string, DialogueFactory>> = {
  prefix: exchangeDialogues({
    kind: "exchange",
    send: undefined,
    expect: { kind: "prefix", bytes: Buffer.from("+OK") },
  }),
  pattern: exchangeDialogues({
    kind: "exchange",
    send: Buffer.from("x"),
    expect: { kind: "pattern", source: "^\\+(O|K)*x", ignoreCase: false },
  }),
  http: httpDialogues(
    { kind: "http", path: "/", host: undefined, expectStatus: ranges },
    undefined,
  ),
  postgres: postgresDialogues(POSTGRES, "none"),
  "postgres without password, asking for TLS": postgresDialogues(
    { ...POSTGRES, password: undefined },
    "asked",
  ),
  redis: redisDialogues(REDIS),
  "redis without password": redisDialogues({ ...REDIS, user: undefined, password: undefined }),
};

function frame(type: string, body: string | Buffer): Buffer {
  const bytes = Buffer.from(body);
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(bytes.length + 4, 1);
  return Buffer.concat([head, bytes]);
}

const OK = Buffer.alloc(4);
const READY = frame("Z", "I");
const row = (value: string) =>
  frame("D", Buffer.concat([Buffer.from([0, 1, 0, 0, 0, value.length]), Buffer.from(value)]));

/** Bytes that dialogues may well be told, in any order, and others. */
const said = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc
      .constantFrom(
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 500 \r\n",
        "HTTP/1.1 101 X\r\n",
        "+OK\r\n",
        "-NOAUTH x\r\n",
        "-ERR unknown command 'ROLE'\r\n",
        "*3\r\n",
        "$6\r\nmaster\r\n",
        "$5\r\nslave\r\n",
        "$11\r\nrole:master\r\n",
        "+OKKKKx",
        "S",
        "N",
        "E",
      )
      .map((text) => Buffer.from(text)),
    fc.constantFrom(
      frame("R", OK),
      frame("R", Buffer.from([0, 0, 0, 3])),
      frame("R", Buffer.from([0, 0, 0, 5, 1, 2, 3, 4])),
      frame("R", Buffer.from("\0\0\0\x0aSCRAM-SHA-256\0\0")),
      frame("R", Buffer.from("\0\0\0\x0br=x,s=AA==,i=1")),
      frame("R", Buffer.from("\0\0\0\x0cv=AA==")),
      frame("R", ""),
      READY,
      row("t"),
      row("f"),
      row(""),
      frame("D", ""),
      frame("E", "SFATAL\0Mno\0C1\0\0"),
      frame("N", "x"),
      frame("S", "a\0b\0"),
    ),
  ),
  { maxLength: 8 },
);

/** Tells a dialogue everything, in pieces of at most `size` bytes, and answers the verdict and what it said. */
function tell(dialogue: Dialogue, bytes: Uint8Array, size: number): unknown {
  const sent: string[] = [];
  let turn: Turn = dialogue.start();
  for (let at = 0; ; at += size) {
    while (turn.next === "startTls") turn = dialogue.onTls?.() ?? turn;
    if (turn.next !== "wait") return { turn, sent };
    if (turn.send !== undefined)
      sent.push(Buffer.from(turn.send).toString("latin1").replace(/r=.*/, "r="));
    if (at >= bytes.length) return { soFar: dialogue.soFar(), sent };
    turn = dialogue.onData(bytes.slice(at, at + size));
  }
}

const PEER = { ip: "::1", port: 80 };

/** Anything was said after a question; a dialogue that asks again throws what came before away only when it is asked. */
function verdictOf(result: unknown): unknown {
  const { turn } = result as { turn?: Turn };
  return turn === undefined ? "none" : turn.next === "failed" ? [turn.next, turn.cause] : turn.next;
}

describe("every dialogue", () => {
  for (const [name, newDialogue] of Object.entries(KINDS)) {
    test(`${name}: answers whatever is said, with a reason of one short line`, () => {
      fc.assert(
        fc.property(said, fc.integer({ min: 1, max: 30 }), (parts, size) => {
          const result = tell(newDialogue(PEER), Buffer.concat(parts), size) as {
            turn?: Turn;
            soFar?: string;
          };
          const text = result.turn?.next === "failed" ? result.turn.reason : (result.soFar ?? "");
          expect(text).not.toMatch(/[\r\n\0]/);
          expect(text.length).toBeLessThan(400);
        }),
        { numRuns: 500 },
      );
    });
  }

  for (const name of ["prefix", "pattern", "http"]) {
    test(`${name}: the verdict does not depend on how bytes are split`, () => {
      fc.assert(
        fc.property(said, fc.integer({ min: 1, max: 30 }), (parts, size) => {
          const newDialogue = KINDS[name] as DialogueFactory;
          const bytes = Buffer.concat(parts);
          const whole = tell(newDialogue(PEER), bytes, bytes.length || 1);
          expect(verdictOf(tell(newDialogue(PEER), bytes, size))).toEqual(verdictOf(whole));
        }),
      );
    });
  }
});

describe("a conversation", () => {
  /** Says one reply after the other, each byte by byte, and answers the last turn. */
  function converse(
    newDialogue: DialogueFactory,
    replies: readonly (string | Buffer)[],
  ): { turn: Turn; sent: string[] } {
    const dialogue = newDialogue(PEER);
    const sent: string[] = [];
    const note = (turn: Turn): Turn => {
      if (turn.next === "wait" && turn.send !== undefined)
        sent.push(Buffer.from(turn.send).toString("latin1"));
      return turn;
    };
    let turn = note(dialogue.start());
    for (const reply of replies) {
      for (const byte of Buffer.from(reply)) {
        if (turn.next === "startTls") turn = note(dialogue.onTls?.() ?? turn);
        if (turn.next === "wait") turn = note(dialogue.onData(Uint8Array.of(byte)));
      }
    }
    return { turn, sent };
  }

  const role = (name: string) => `*3\r\n$${name.length}\r\n${name}\r\n`;

  test.each<[string, readonly string[], object]>([
    ["a master", ["+OK\r\n", role("master")], { next: "passed" }],
    [
      "a replica",
      ["+OK\r\n", role("slave")],
      { next: "failed", cause: "role", reason: "it is a replica" },
    ],
    [
      "a sentinel",
      ["+OK\r\n", role("sentinel")],
      { next: "failed", cause: "unexpected", reason: "its role is sentinel" },
    ],
    [
      "one without ROLE",
      ["+OK\r\n", "-ERR unknown command `ROLE`\r\n", "$28\r\n# Replication\r\nrole:master\r\n"],
      { next: "passed" },
    ],
    [
      "one that loads",
      ["+OK\r\n", "-LOADING Redis is loading\r\n"],
      { reason: "Redis says: LOADING Redis is loading" },
    ],
    ["one that is full", ["-ERR max number of clients reached\r\n"], { cause: "busy" }],
  ])("with Redis: %s", (_, replies, expected) => {
    expect(converse(redisDialogues(REDIS), replies).turn).toMatchObject(expected);
  });

  test("with Redis begins by logging in", () => {
    expect(converse(redisDialogues(REDIS), ["+OK\r\n"]).sent).toEqual([
      "*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$1\r\np\r\n",
      "*1\r\n$4\r\nROLE\r\n",
    ]);
  });

  const LOGIN = [frame("R", OK), frame("S", "a\0b\0"), READY];
  test.each<[string, readonly (string | Buffer)[], object]>([
    ["a primary", [...LOGIN, row("f")], { next: "passed", farewell: Buffer.from("X\0\0\0\x04") }],
    ["a replica", [...LOGIN, row("t")], { cause: "role", reason: "it is a replica (in recovery)" }],
    ["no answer", [...LOGIN, READY], { reason: "it gave no answer" }],
    [
      "one that starts up",
      [frame("E", "SFATAL\0VFATAL\0C57P03\0Mthe database system\nis starting up\0\0")],
      { reason: "FATAL: the database system is starting up (57P03)" },
    ],
    [
      "one that speaks Kerberos",
      [frame("R", Buffer.from([0, 0, 0, 7]))],
      { reason: "it asks for authentication of kind 7, which checks do not know" },
    ],
    [
      "one that lets in without a proof",
      [frame("R", "\0\0\0\x0aSCRAM-SHA-256\0\0"), frame("R", OK)],
      { reason: "it let the check log in without knowing the password" },
    ],
    [
      "one that is too large",
      [Buffer.from("R\x7f\0\0\0")],
      { reason: "no PostgreSQL: R\\x7f\\x00\\x00\\x00" },
    ],
    [
      "one that is full",
      [frame("E", "SFATAL\0C53300\0Msorry, too many clients already\0\0")],
      { cause: "busy", reason: "FATAL: sorry, too many clients already (53300)" },
    ],
  ])("with PostgreSQL: %s", (_, replies, expected) => {
    expect(converse(postgresDialogues(POSTGRES, "none"), replies).turn).toMatchObject(expected);
  });

  test.each<[string, object]>([
    ["N", { reason: "it does not speak TLS (healthCheck.tls)" }],
    ["E", { cause: "unexpected" }],
  ])("with PostgreSQL that answers %s when it is asked for TLS", (answer, expected) => {
    expect(converse(postgresDialogues(POSTGRES, "asked"), [answer]).turn).toMatchObject(expected);
  });

  test("with PostgreSQL takes nothing in plain text for protected", () => {
    const dialogue = postgresDialogues(POSTGRES, "asked")(PEER);
    dialogue.start();
    expect(dialogue.onData(Buffer.from("SR"))).toMatchObject({
      reason: "it sent plain text before TLS",
    });
  });

  test("by HTTP asks with the host of TLS, or the address, where there is no other", () => {
    const check = { kind: "http", path: "/up?x=1", host: undefined, expectStatus: ranges } as const;
    expect(converse(httpDialogues(check, undefined), []).sent[0]).toStartWith(
      "GET /up?x=1 HTTP/1.1\r\nHost: [::1]:80\r\n",
    );
    expect(converse(httpDialogues(check, "web.local"), []).sent[0]).toContain(
      "\r\nHost: web.local\r\n",
    );
    expect(converse(httpDialogues({ ...check, host: "a:1" }, "b"), []).sent[0]).toContain(
      "\r\nHost: a:1\r\n",
    );
  });
});
