// The keys about where a server's connections go: `routes`, `otherwise`, `passthrough`. See schema.ts.
import { z } from "zod";

import { PathTemplate } from "../naming/path-matcher.ts";
import { parsePath } from "../naming/path.ts";
import { DEFAULTS } from "./defaults.ts";
import * as field from "./fields.ts";
import { isServerName } from "./server-name.ts";
import { suggest } from "./suggest.ts";

const OBJECT = { error: "an object" };
/** What a template may be filled with. */
const CAPTURES = ["sni", "alpn"];
const ENDS = ["close", "reset"];

/** How many names connections may bring up, and how long those stay. */
export const bindingCache = z
  .strictObject(
    {
      paths: field
        .whole("a whole number from 1 to 100000", 1, 100_000)
        .default(DEFAULTS.bindingCache.paths)
        .describe(
          "Names that are followed at a time. At the limit one goes that no connection uses; where all are in use, connections for others are refused.",
        ),
      idleTtlSecs: field
        .duration("seconds", 1)
        .default(DEFAULTS.bindingCache.idleTtlSecs)
        .describe(
          "How long a name is followed that no connection uses. One that leads nowhere goes after 10 seconds.",
        ),
    },
    OBJECT,
  )
  .describe("Names that clients bring up, by a path such as `/svc/{sni}`.");

/** A path that may have `{sni}` and `{alpn}` in it. */
export function routedPath() {
  return field.checkedText("a path such as /svc/web", (value) =>
    hasCaptures(value) ? templateComplaint(value) : field.pathComplaint(value),
  );
}

/** Whether a text was meant to have captures. */
export function hasCaptures(value: string): boolean {
  return value.includes("{") || value.includes("}");
}

function templateComplaint(value: string): string | undefined {
  const parsed = PathTemplate.parse(value);
  if (!parsed.ok) return `column ${parsed.column} of it: ${parsed.message}`;
  const other = parsed.template.names.find((name) => !CAPTURES.includes(name));
  if (other !== undefined) {
    const meant = suggest(other, CAPTURES);
    const hint = meant === undefined ? "" : `; did you mean {${meant}}?`;
    return `there is no {${other}}; it may have {sni}, the name that the client asks for, and {alpn}${hint}`;
  }
  // A client that could choose the first segment could leave the names of the configuration: `/#`, `/$`.
  if (value.slice(1).split("/", 1)[0]?.includes("{") === true)
    return "the first segment must stand there as it is, as in /svc/{sni}";
  return undefined;
}

function answer() {
  return field.checkedText("a path such as /svc/web, close or reset", (value) => {
    if (ENDS.includes(value)) return undefined;
    if (hasCaptures(value)) return "only the dstName of a server or of a route may have {sni}";
    if (parsePath(value).ok) return field.pathComplaint(value);
    const meant = suggest(value, ENDS);
    return meant === undefined ? "" : `did you mean ${meant}?`;
  });
}

function list(expected: string, item: z.ZodType<string>) {
  return z
    .array(item, { error: `a list of ${expected}` })
    .min(1, { error: `a list of at least one of the ${expected}` })
    .optional();
}

const serverName = field.checkedText(
  "a server name such as web.example.com or *.example.com",
  (value) => {
    const rest = value.startsWith("*.") ? value.slice(2) : value;
    if (rest.includes("*")) return "a star stands for the whole first label: *.example.com";
    return isServerName(value) ? undefined : "";
  },
);

const match = z
  .strictObject(
    {
      sni: list("server names", serverName).describe(
        "Names that the client asks for: exact, or `*.example.com` for any one label. With `tls` or `passthrough`.",
      ),
      alpn: list("protocol names", field.protocol()).describe(
        "Application protocols: with `tls` the one that was agreed upon, with `passthrough` any that the client offers.",
      ),
      clientSan: list("patterns of names", field.nameRule()).describe(
        "Names (SAN) of the client's certificate, written as in `clientAuth.allow`. With `tls.clientAuth`.",
      ),
      source: list("blocks of addresses", field.cidr()).describe(
        "Blocks that the client's address is in, as a PROXY header tells it where there is one.",
      ),
    },
    OBJECT,
  )
  .describe("What must hold: every key that is there, any of its list.");

const route = z.strictObject(
  {
    match,
    dstName: routedPath()
      .optional()
      .describe("Path that connections go to; `{sni}` and `{alpn}` in it are those of the client."),
    answer: z
      .enum(["close", "reset"], { error: "close or reset" })
      .optional()
      .describe("In place of `dstName`: the connection is ended, in good order or by a reset."),
  },
  OBJECT,
);

/** Rules by which a server chooses a destination. */
export const routes = z
  .array(route, { error: "a list of rules" })
  .min(1, { error: "a list of at least one rule, or no such key" })
  .describe(
    "Rules for where connections go; the first that matches wins, `dstName` is what is left over.",
  );

const target = (what: string) =>
  answer()
    .optional()
    .describe(`${what} A path, \`close\` (in good order) or \`reset\`.`)
    .meta({ default: "reset" });

/** What becomes of connections that no rule is for. */
export const otherwise = z
  .strictObject(
    {
      notTls: target("The first bytes are no TLS, or no hello. With `passthrough`."),
      noServerName: target(
        "The client asks for no name, or for none that can be one, and a name is needed. Given, it goes before a `dstName`.",
      ),
      noRoute: target("No rule matches, and there is no `dstName`."),
      silent: target(
        "The client has said nothing within `helloTimeoutMs`, as clients do whose server speaks first. With `passthrough`.",
      ),
    },
    OBJECT,
  )
  .describe("What becomes of connections for which there is no rule.");

/** TLS that is not ours. */
export const passthrough = z
  .strictObject(
    {
      helloTimeoutMs: field
        .duration("milliseconds", 1)
        .default(DEFAULTS.passthrough.helloTimeoutMs)
        .describe(
          "Longest time from accepting a connection, or from its PROXY header, to its whole hello.",
        ),
    },
    OBJECT,
  )
  .describe(
    "Reads the hello with which a client's TLS begins, to choose by it, and passes everything on as it came: no key is needed. Not together with `tls`.",
  );

export type FileRoute = z.output<typeof route>;
export type FileOtherwise = z.output<typeof otherwise>;
