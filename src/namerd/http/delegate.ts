// `/delegate`: every step from a name to its addresses, for people and for the dtab playground.
import type { Clock } from "../../lib/clock.ts";
import type { DelegateTree } from "../../naming/delegate-tree.ts";
import type { Dtab } from "../../naming/dtab.ts";
import { renderDelegate } from "../../naming/namerd-json.ts";
import type { PathLabels } from "../../naming/path.ts";
import type { Resolution } from "../../naming/resolution.ts";
import { idLabels, type Names, type RenderedAddr } from "../names.ts";
import type { Observed, StoredDtab } from "../store.ts";
import {
  type ApiAnswer,
  type ApiRequest,
  json,
  JSON_TYPE,
  SourceFailure,
  TOO_LONG,
  whole,
} from "./exchange.ts";
import { ClientGone, firstOf } from "./first.ts";
import {
  type Read,
  readDtabParam,
  readDtabText,
  readPathParam,
  readPathText,
  refuse,
} from "./question.ts";

const TIMEOUT_MS = 2_000;

interface Wanted {
  readonly dtab: Dtab;
  readonly path: PathLabels;
}

/** Answers `/delegate/<ns>`, and `/delegate` where `namespace` is undefined: then the request's dtab is the only one. */
export async function delegate(
  request: ApiRequest,
  namespace: string | undefined,
  names: Names,
  clock: Clock,
): Promise<ApiAnswer> {
  if (request.method !== "GET" && request.method !== "POST") return whole(405);
  if (request.method === "POST" && request.header("content-type") !== JSON_TYPE) return whole(415);
  const wanted = request.method === "GET" ? readQuery(request) : readBody(request.body);
  if (!wanted.ok) return wanted.answer;
  const deadline = new Deadline(request.signal, clock);
  try {
    const text = await explain(wanted.value, namespace, names, deadline);
    return text === undefined ? whole(500, `${TOO_LONG}\n`) : json(text);
  } catch (error) {
    if (deadline.isOver) return whole(503, "Request timed out.");
    if (error instanceof ClientGone) throw error;
    throw new SourceFailure(error instanceof Error ? error.message : String(error));
  } finally {
    deadline.stop();
  }
}

/** Aborts what waits when the time is over, or the client has gone. */
class Deadline {
  readonly #abort = new AbortController();
  readonly #clock: Clock;
  readonly #untilMs: number;
  readonly #cancel: () => void;
  isOver = false;

  constructor(client: AbortSignal, clock: Clock) {
    this.#clock = clock;
    this.#untilMs = clock.now() + TIMEOUT_MS;
    const leave = (): void => this.#abort.abort();
    client.addEventListener("abort", leave, { once: true });
    const cancel = clock.after(TIMEOUT_MS, () => {
      this.isOver = true;
      this.#abort.abort();
    });
    this.#cancel = () => {
      cancel();
      client.removeEventListener("abort", leave);
    };
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get leftMs(): number {
    return Math.max(0, this.#untilMs - this.#clock.now());
  }

  stop(): void {
    this.#cancel();
  }
}

async function explain(
  { dtab, path }: Wanted,
  namespace: string | undefined,
  names: Names,
  deadline: Deadline,
): Promise<string | undefined> {
  const rules = namespace === undefined ? [] : await rulesOf(namespace, names, deadline.signal);
  // Its own time is over a moment after ours, which is the one that is told apart.
  const steps = names.service.delegate([...rules, ...dtab], path, deadline.leftMs + 1);
  const tree = await Promise.race([steps, aborted(deadline.signal)]);
  const ids = [...new Set(leafIds(tree))];
  const addrs = await Promise.all(ids.map((id) => addressesOf(id, names, deadline.signal)));
  const known = new Map(ids.map((id, at) => [id, addrs[at]]));
  return renderDelegate(tree, (id) => known.get(id) ?? { state: "pending" });
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(new ClientGone());
    signal.addEventListener("abort", () => reject(new ClientGone()), { once: true });
  });
}

function rulesOf(namespace: string, names: Names, signal: AbortSignal): Promise<Dtab> {
  return firstOf(
    signal,
    (stop, report: (dtab: Observed<StoredDtab | undefined>) => void) =>
      names.dtab(namespace, stop, report),
    (observed) => {
      if (observed.state === "failed") throw new SourceFailure(observed.cause);
      return observed.state === "ok" ? (observed.value?.dtab ?? []) : undefined;
    },
  );
}

function addressesOf(id: string, names: Names, signal: AbortSignal): Promise<Resolution> {
  return firstOf(
    signal,
    (stop, report: (addr: RenderedAddr) => void) => names.addr(idLabels(id), stop, report),
    ({ resolution }) => (resolution.state === "pending" ? undefined : resolution),
  );
}

function leafIds(tree: DelegateTree): readonly string[] {
  switch (tree.kind) {
    case "leaf":
      return [tree.bound.id];
    case "delegate":
      return leafIds(tree.next);
    case "alt":
      return tree.trees.flatMap(leafIds);
    case "union":
      return tree.branches.flatMap((branch) => leafIds(branch.tree));
    case "empty":
    case "fail":
    case "neg":
    case "exception":
      return [];
    default:
      return tree satisfies never;
  }
}

function readQuery({ params }: ApiRequest): Read<Wanted> {
  const dtab = readDtabParam(params);
  if (!dtab.ok) return dtab;
  const path = readPathParam(params);
  return path.ok ? { ok: true, value: { dtab: dtab.value, path: path.value } } : path;
}

function readBody(body: Uint8Array): Read<Wanted> {
  const parsed = parseJson(body);
  const fields: unknown[] = [propertyOf(parsed, "dtab"), propertyOf(parsed, "path")];
  const [dtabText, pathText] = fields;
  if (typeof dtabText !== "string" || typeof pathText !== "string") {
    return refuse("Malformed delegation request: expected an object with the texts dtab and path");
  }
  const dtab = readDtabText(dtabText);
  if (!dtab.ok) return dtab;
  const path = readPathText(pathText);
  return path.ok ? { ok: true, value: { dtab: dtab.value, path: path.value } } : path;
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

function propertyOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}
