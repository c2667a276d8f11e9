// Four TLS stacks as clients: each makes a connection, and then one that resumes its session.
import { join } from "node:path";
import { type Cell, LINES, NAME, type Problems, type Tried } from "./cells.ts";
import { converse, type Said } from "./programs.ts";

/** Where to connect to, and whom to trust. */
export interface Target {
  readonly port: number;
  readonly caFile: string;
  /** A path that nobody else uses, for what a stack keeps between its connections. */
  readonly scratch: string;
}

const INPUT = `${LINES.join("\n")}\n`;
const TALK = [{ say: INPUT }];
/** Over two connections. The first must carry something: servers on BoringSSL send tickets with their first bytes. */
const TALK_TWICE = [
  { say: "for a ticket\n" },
  { after: "for a ticket\n", say: "^resume^\n" },
  { after: "Resume Handshake was completed", say: INPUT },
];

/** Tries a cell at a proxy whose endpoint answers lines and ends after the last. */
export function tryClient(cell: Cell, target: Target): Promise<Tried> {
  switch (cell.stack) {
    case "OpenSSL":
      return openssl(cell, target);
    case "GnuTLS":
      return gnutls(cell, target);
    case "Node.js":
      return script(["node", join(import.meta.dir, "client.mjs")], cell, target);
    case "Python":
      return script(["python3", join(import.meta.dir, "client.py")], cell, target);
    default:
      return cell.stack satisfies never;
  }
}

async function openssl({ version }: Cell, { port, caFile, scratch }: Target): Promise<Tried> {
  const command = [
    ...["openssl", "s_client", "-connect", `127.0.0.1:${port}`, "-servername", NAME],
    ...["-CAfile", caFile, "-verify_return_error", "-verify_hostname", NAME],
    ...[`-tls1_${version.slice(2)}`, "-sess_out", scratch],
  ];
  const check = (said: Said, resumed: boolean): Problems =>
    problems(said, {
      [`TLS ${version}`]: new RegExp(`Protocol *: TLSv${version}|(?:New|Reused), TLSv${version}`),
      [resumed ? "resumed" : "new"]: resumed ? /^Reused, / : /^New, /,
      "end in order": /^closed$/,
    });
  const full = await converse(command, TALK);
  const resumed = await converse([...command, "-sess_in", scratch], TALK);
  return { full: check(full, false), resumed: check(resumed, true) };
}

async function gnutls({ version }: Cell, { port, caFile }: Target): Promise<Tried> {
  const command = [
    ...["gnutls-cli", "--port", `${port}`, "--sni-hostname", NAME, "--verify-hostname", NAME],
    ...["--x509cafile", caFile, "--priority", `NORMAL:-VERS-ALL:+VERS-TLS${version}`],
  ];
  const check = (said: Said, outcome: Readonly<Record<string, RegExp>>): Problems =>
    problems(said, {
      [`TLS ${version}`]: new RegExp(`Description: \\(TLS${version}`),
      "end in order": /^- Peer has closed the GnuTLS connection$/,
      ...outcome,
    });
  const full = await converse([...command, "127.0.0.1"], TALK);
  const resumed = await converse([...command, "--inline-commands", "127.0.0.1"], TALK_TWICE);
  const isResumed = { resumed: /^\*\*\* This is a resumed session$/ };
  return { full: check(full, {}), resumed: check(resumed, isResumed) };
}

/** What is missing in what a program said: patterns are of lines. */
function problems({ code, text }: Said, wanted: Readonly<Record<string, RegExp>>): Problems {
  const lines = text.split("\n").map((line) => line.trim());
  const missing = Object.entries(wanted)
    .filter(([, pattern]) => !lines.some((line) => pattern.test(line)))
    .map(([what]) => `not seen: ${what}`);
  const echoes = LINES.filter((line) => !lines.includes(line)).map((line) => `not back: ${line}`);
  const found = [...missing, ...echoes, ...(code === 0 ? [] : [`ended with ${code ?? "nothing"}`])];
  return found.length === 0 ? [] : [...found, `it said: ${lines.slice(-12).join(" / ")}`];
}

/** What `client.mjs` and `client.py` print of each connection. */
interface Report {
  readonly version: string;
  readonly resumed: boolean;
  readonly echo: string;
  /** `close_notify`, or how else it ended. */
  readonly end: string;
}

async function script(
  command: readonly string[],
  { version }: Cell,
  { port, caFile }: Target,
): Promise<Tried> {
  const said = await converse([...command, `${port}`, caFile, version, NAME, INPUT]);
  const [first, second] = said.text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Report);
  const check = (report: Report | undefined, resumed: boolean): Problems => {
    if (report === undefined) return [`it said: ${said.text.trim()}`];
    const { end, echo } = report;
    return [
      ...(report.version === `TLSv${version}` ? [] : [`spoke ${report.version}`]),
      ...(report.resumed === resumed ? [] : [resumed ? "did not resume" : "resumed"]),
      ...(echo === INPUT ? [] : [`got back ${JSON.stringify(echo)}`]),
      ...(end === "close_notify" ? [] : [`ended by ${end}`]),
    ];
  };
  return { full: check(first, false), resumed: check(second, true) };
}
