// Reads what is asked of a running proxy: query parameters and JSON bodies, whose keys are the same. Pure.
import { type Address, canonicalIp, parsePort } from "../lib/address.ts";
import { formatCidr, parseCidr } from "../lib/cidr.ts";
import { isRecord } from "../lib/json.ts";
import type {
  ConnectionFilter,
  ConnectionOrder,
  EndpointTarget,
  EndpointWish,
  EndRequest,
} from "./control-port.ts";

/** A value, or what is wrong with what was given. */
export type Read<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

/** What was given: texts from a query, or the values of a JSON object. */
export type Given = Readonly<Record<string, unknown>>;

/** How many connections are shown where nobody says. */
const SHOWN = 100;
const MOST_SHOWN = 10_000;

interface Kind {
  readonly expected: string;
  /** Undefined when the value is none of its kind. */
  readonly read: (value: unknown) => unknown;
}

/** `<worker>.<number>` */
const ID = /^[0-9]+\.[1-9][0-9]*$/;

const text: Kind = {
  expected: "a text",
  read: (value) => (typeof value === "string" && value !== "" ? value : undefined),
};
const ids: Kind = {
  expected: "an id as the list of connections shows it, or several",
  read: (value) => {
    const list = typeof value === "string" ? value.split(",") : value;
    const isList = Array.isArray(list) && list.length > 0;
    const isId = (id: unknown): boolean => typeof id === "string" && ID.test(id);
    return isList && list.every(isId) ? list : undefined;
  },
};
const path: Kind = {
  expected: "the path of a destination such as /svc/web",
  read: (value) => (typeof value === "string" && value.startsWith("/") ? value : undefined),
};
const address: Kind = {
  expected: "an address such as 10.0.0.1:80",
  read: (value) => (typeof value === "string" ? readAddress(value) : undefined),
};
const block: Kind = {
  expected: "an address or a block of addresses such as 10.0.0.0/8",
  read: (value) => {
    const parsed = typeof value === "string" ? parseCidr(value) : undefined;
    return parsed && formatCidr(parsed);
  },
};
const number: Kind = { expected: "a number, 0 or more", read: readNumber };
const positive: Kind = {
  expected: "a number above 0",
  read: (value) => {
    const parsed = readNumber(value);
    return parsed === undefined || parsed === 0 ? undefined : parsed;
  },
};
/** Sums of weights stay numbers, and one with the least of them is still a choice. */
const MOST_WEIGHT = 1_000_000;
const weight: Kind = {
  expected: `a number from 0 to ${MOST_WEIGHT}`,
  read: (value) => {
    const parsed = readNumber(value);
    return parsed === undefined || parsed > MOST_WEIGHT ? undefined : parsed;
  },
};
const order: Kind = {
  expected: "age, idle or bytes",
  read: (value) => (value === "age" || value === "idle" || value === "bytes" ? value : undefined),
};
const wish = (kind: Kind): Kind => ({
  expected: `${kind.expected}, or null for what the name says`,
  read: (value) => (value === null ? value : kind.read(value)),
});
const truth: Kind = {
  expected: "true or false",
  read: (value) => (typeof value === "boolean" ? value : undefined),
};

const FILTER = {
  id: ids,
  server: address,
  router: text,
  dst: path,
  endpoint: address,
  source: block,
  minAgeSecs: number,
  minIdleSecs: number,
  minBytes: number,
  maxBytes: number,
} as const satisfies Readonly<Record<string, Kind>>;
const LIST = { ...FILTER, sort: order, limit: positive } as const;
const KILL = { ...FILTER, all: truth } as const;
const DRAIN = {
  ...KILL,
  windowSecs: number,
  maxPerSec: number,
  deadlineSecs: number,
  stopNew: truth,
} as const;
const OVERRIDE = {
  endpoint: address,
  router: text,
  dst: path,
  weight: wish(weight),
  enabled: wish(truth),
  forSecs: positive,
} as const;

/** Which connections to show. */
export function readList(given: Given): Read<{
  readonly filter: ConnectionFilter;
  readonly order: ConnectionOrder;
  readonly limit: number;
}> {
  const read = readKeys(given, LIST);
  if (!read.ok) return read;
  const { sort = "age", limit = SHOWN } = read.value as { sort?: ConnectionOrder; limit?: number };
  return done({
    filter: filterOf(read.value),
    order: sort,
    limit: Math.min(MOST_SHOWN, Math.ceil(limit)),
  });
}

/** Which connections to end at once. */
export function readKill(given: Given): Read<{ readonly filter: ConnectionFilter }> {
  const read = readKeys(given, KILL);
  return read.ok ? meant(read.value) : read;
}

/** Which connections to end one after the other. */
export function readDrain(given: Given): Read<{
  readonly filter: ConnectionFilter;
  readonly how: EndRequest & { kind: "drain" };
}> {
  const read = readKeys(given, DRAIN);
  if (!read.ok) return read;
  const filter = meant(read.value);
  if (!filter.ok) return filter;
  const { stopNew = false } = read.value as { readonly stopNew?: boolean };
  const { server, endpoint } = filter.value.filter;
  if (stopNew && server === undefined && endpoint === undefined) {
    return wrong("stopNew goes with an endpoint or a server");
  }
  const { windowSecs, maxPerSec, deadlineSecs } = read.value as Readonly<Record<string, number>>;
  const how = {
    kind: "drain" as const,
    stopNew,
    windowMs: windowSecs === undefined ? undefined : windowSecs * 1000,
    maxPerSecond: maxPerSec === undefined || maxPerSec === 0 ? Number.POSITIVE_INFINITY : maxPerSec,
    deadlineMs: deadlineSecs === undefined ? undefined : deadlineSecs * 1000,
  };
  return done({ ...filter.value, how });
}

/** What is wanted of an endpoint. */
export function readOverride(given: Given): Read<{
  readonly target: EndpointTarget;
  readonly wish: EndpointWish;
  readonly forMs: number | undefined;
}> {
  const read = readKeys(given, OVERRIDE);
  if (!read.ok) return read;
  const { endpoint, router, dst, forSecs, ...rest } = read.value as {
    readonly endpoint?: Address;
    readonly router?: string;
    readonly dst?: string;
    readonly forSecs?: number;
  } & EndpointWish;
  if (endpoint === undefined) return wrong("endpoint is missing: an address such as 10.0.0.1:80");
  if (Object.keys(rest).length === 0) return wrong("nothing is wanted: give weight or enabled");
  const forMs = forSecs === undefined ? undefined : forSecs * 1000;
  return done({ target: { endpoint, router, dst }, wish: rest, forMs });
}

/** The parameters of a query; of several of a name the last. */
export function givenByQuery(query: URLSearchParams): Given {
  return Object.fromEntries(query);
}

/** The keys of a body; a missing body is an empty one. */
export function givenByBody(body: unknown): Read<Given> {
  if (body === undefined) return done({});
  return isRecord(body) ? done(body) : wrong("the body must be a JSON object");
}

function readKeys(
  given: Given,
  kinds: Readonly<Record<string, Kind>>,
): Read<Readonly<Record<string, unknown>>> {
  const values: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(given)) {
    const kind = Object.hasOwn(kinds, key) ? kinds[key] : undefined;
    if (kind === undefined) {
      return wrong(`there is no key ${quote(key)}; the keys are ${Object.keys(kinds).join(", ")}`);
    }
    const parsed = kind.read(value);
    if (parsed === undefined) {
      return wrong(`${key}: expected ${kind.expected}, found ${quote(value)}`);
    }
    values[key] = parsed;
  }
  return done(values);
}

/** Ending connections without saying which is more often a slip than not. */
function meant(
  values: Readonly<Record<string, unknown>>,
): Read<{ readonly filter: ConnectionFilter }> {
  const filter = filterOf(values);
  if (Object.keys(filter).length > 0 || values["all"] === true) return done({ filter });
  return wrong(
    `this would end all connections: say which (${Object.keys(FILTER).join(", ")}), or all: true`,
  );
}

function filterOf(values: Readonly<Record<string, unknown>>): ConnectionFilter {
  const { id, minAgeSecs, minIdleSecs, ...plain } = Object.fromEntries(
    Object.entries(values).filter(([key]) => Object.hasOwn(FILTER, key)),
  );
  return {
    ...plain,
    ...(id !== undefined && { ids: id as readonly string[] }),
    ...(typeof minAgeSecs === "number" && { minAgeMs: minAgeSecs * 1000 }),
    ...(typeof minIdleSecs === "number" && { minIdleMs: minIdleSecs * 1000 }),
  };
}

function readNumber(value: unknown): number | undefined {
  const isNumber = typeof value === "number" || (typeof value === "string" && value.trim() !== "");
  const parsed = isNumber ? Number(value) : Number.NaN;
  return Number.isFinite(parsed) && parsed >= 0 ? parsed : undefined;
}

/** `1.2.3.4:80` or `[::1]:80`. */
export function readAddress(value: string): Address | undefined {
  const parts = /^(\[[^\]]+\]|[^:]+):([0-9]{1,5})$/.exec(value);
  const ip = canonicalIp(parts?.[1] ?? "");
  const port = parsePort(parts?.[2] ?? "");
  return ip === undefined || port === undefined ? undefined : { ip, port };
}

function done<T>(value: T): Read<T> {
  return { ok: true, value };
}

function wrong(message: string): { readonly ok: false; readonly message: string } {
  return { ok: false, message };
}

function quote(value: unknown): string {
  // JSON has no word for what a number such as 1e400 is read as.
  if (typeof value === "number") return String(value);
  return (JSON.stringify(value) ?? String(value)).slice(0, 100);
}
