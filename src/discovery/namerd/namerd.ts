// The interpreter `io.l5d.namerd.http`: names in a namerd, ours or one of linkerd 1.x, over its HTTP interface.
import { redact } from "../../config/problems.ts";
import type { NamerdConfig } from "../../config/types.ts";
import { branchesOf } from "../../naming/split.ts";
import type { Resolution } from "../../naming/resolution.ts";
import type { Binding, Interpreter } from "../interpreter.ts";
import { parseNamerdAnswer } from "./namerd-answer.ts";
import type { NamerdQuestion, NamerdReading } from "./namerd-question.ts";
import { parseNamerdTree } from "./namerd-tree.ts";
import { type NamerdDeps, NamerdWatch, type NoAnswer } from "./namerd-watch.ts";

/** How long a server that does not know `bind` is not asked for it again, about. */
const WITHOUT_BIND_MS = 600_000;

/**
 * Follows names in namerd by `GET {baseUrl}/api/1/bind/{namespace}?path=...&watch=true`, whose answer is a stream of
 * trees, one a line, and the names in those trees by `addr`, in the same manner. A server that ends its answer after one
 * value is asked again every `periodMs`.
 *
 * Servers without `bind` and `addr` are asked by `resolve`, which gives addresses for a path. A path is then bound to
 * itself. Where namerd has unions, `resolve` draws one of their branches for each request.
 */
export class NamerdInterpreter implements Interpreter {
  readonly #config: NamerdConfig;
  readonly #deps: NamerdDeps;
  readonly #namerd: string;
  #hasNotedResolve = false;

  constructor(config: NamerdConfig, deps: NamerdDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#namerd = redact(config.baseUrl);
  }

  /** Answers that are equal in a row are told once. */
  bind(path: string, signal: AbortSignal, report: (binding: Binding) => void): void {
    let last = "";
    const bind = { url: this.#url("bind", path), read: readBinding };
    const resolve = {
      url: this.#url("resolve", path),
      read: (text: string) => this.#readOwnBranch(path, text),
      goodForMs: WITHOUT_BIND_MS,
    };
    this.#follow<Binding>([bind, resolve], path, signal, (binding) => {
      const text = JSON.stringify(binding);
      if (text === last) return;
      last = text;
      report(binding);
    });
  }

  addresses(id: string, signal: AbortSignal, report: (resolution: Resolution) => void): void {
    const resolve = { url: this.#url("resolve", id), read: readAddresses };
    const addr = { url: this.#url("addr", id), read: readAddresses };
    // namerd knows no addresses of a name that is not bound: it is one that is bound to itself.
    this.#follow<Resolution>(isBoundId(id) ? [addr, resolve] : [resolve], id, signal, report);
  }

  #follow<T>(
    ways: NamerdQuestion<T>["ways"],
    path: string,
    signal: AbortSignal,
    report: (answer: T | NoAnswer) => void,
  ): void {
    if (signal.aborted) return;
    const { periodMs, requestTimeoutMs } = this.#config;
    const question = { ways, path, namerd: this.#namerd, periodMs, requestTimeoutMs };
    const watch = new NamerdWatch<T>(question, this.#deps, report);
    signal.addEventListener("abort", () => watch.stop(), { once: true });
  }

  /** Whatever the server knows of the path, following its addresses will tell. */
  #readOwnBranch(path: string, text: string): NamerdReading<Binding> {
    const reading = readAddresses(text);
    if (!reading.ok) return reading;
    this.#noteResolve();
    return { ok: true, answer: { state: "bound", branches: [{ id: path, weight: 1 }] }, ...CLEAN };
  }

  #noteResolve(): void {
    if (this.#hasNotedResolve) return;
    this.#hasNotedResolve = true;
    this.#deps.log.info("this namerd cannot tell what names are bound to: using resolve", () => ({
      namerd: this.#namerd,
    }));
  }

  #url(call: "bind" | "addr" | "resolve", path: string): string {
    const { baseUrl, namespace } = this.#config;
    // namerd takes all that follows the slash as the namespace, further slashes included.
    const segments = namespace.split("/").map(encode).join("/");
    return `${baseUrl}/api/1/${call}/${segments}?path=${encode(path)}`;
  }
}

const CLEAN = { skipped: 0, repaired: 0 };

/** Whether it begins as all names do that namers gave, transformers included. */
function isBoundId(id: string): boolean {
  return /^\/[#$%]\//.test(id);
}

function readBinding(text: string): NamerdReading<Binding> {
  const parsed = parseNamerdTree(text);
  if (!parsed.ok) return { ok: false, cause: parsed.cause, isUnknownWay: parsed.isAddresses };
  return { ok: true, answer: branchesOf(parsed.tree), skipped: 0, repaired: parsed.repaired };
}

function readAddresses(text: string): NamerdReading<Resolution> {
  const { resolution, skipped, repaired, garbage } = parseNamerdAnswer(text);
  if (garbage && resolution.state === "failed") {
    return { ok: false, cause: resolution.cause, isUnknownWay: false };
  }
  return { ok: true, answer: resolution, skipped, repaired };
}

function encode(text: string): string {
  // encodeURIComponent throws at half a surrogate pair.
  return encodeURIComponent(text.toWellFormed());
}
