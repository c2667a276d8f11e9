// `/resolve`: a name's addresses, and `/addr`: those of an id that `/bind` gave.
import type { Rng } from "../../lib/rng.ts";
import type { PathLabels } from "../../naming/path.ts";
import type { BoundTree, Outcome } from "../../naming/tree.ts";
import { drawName } from "../draw.ts";
import { idLabels, lineOf, type Names, type Question, type RenderedAddr } from "../names.ts";
import {
  type ApiAnswer,
  type ApiRequest,
  type Headers,
  JSON_TYPE,
  type LineSink,
  SourceFailure,
  whole,
} from "./exchange.ts";
import { firstOf } from "./first.ts";
import { readDtabParam, readPathParam } from "./question.ts";

const NEG = lineOf('{"type":"neg"}');
const RESOLVE_HEADERS: Headers = { "Content-Type": JSON_TYPE };

/** Answers `/resolve/<ns>`. */
export async function resolve(
  request: ApiRequest,
  namespace: string,
  names: Names,
  rng: Rng,
): Promise<ApiAnswer> {
  const path = readPathParam(request.params);
  if (!path.ok) return path.answer;
  const dtab = readDtabParam(request.params);
  if (!dtab.ok) return dtab.answer;
  const question: Question = { namespace, dtab: dtab.value, path: path.value };
  const { signal } = request;
  if (request.params.flag("watch")) {
    const follow = (sink: LineSink): void => followName(question, names, rng, signal, sink);
    return { kind: "watch", headers: RESOLVE_HEADERS, follow };
  }
  const tree = await firstOf(
    signal,
    (stop, report: (tree: Outcome<BoundTree>) => void) => names.tree(question, stop, report),
    treeOrThrow,
  );
  const name = drawName(tree, rng);
  const line = name === undefined ? NEG : await addrLine(idLabels(name.id), names, signal);
  return whole(200, line, RESOLVE_HEADERS);
}

/** Answers `/addr/<ns>`; the namespace does not matter to an id. */
export async function addr(request: ApiRequest, names: Names): Promise<ApiAnswer> {
  const path = readPathParam(request.params);
  if (!path.ok) return path.answer;
  const id = path.value;
  const { signal } = request;
  if (request.params.flag("watch")) {
    const follow = (sink: LineSink): void => followAddr(id, names, signal, sink);
    return { kind: "watch", headers: {}, follow };
  }
  return whole(200, await addrLine(id, names, signal));
}

/** The tree once it is known. Throws SourceFailure where nobody could say. */
export function treeOrThrow(outcome: Outcome<BoundTree>): BoundTree | undefined {
  if (outcome.state === "failed") throw new SourceFailure(outcome.cause);
  return outcome.state === "ok" ? outcome.value : undefined;
}

function addrLine(id: PathLabels, names: Names, signal: AbortSignal): Promise<Uint8Array> {
  return firstOf(
    signal,
    (stop, report: (addr: RenderedAddr) => void) => names.addr(id, stop, report),
    ({ line }) => (line.length > 0 ? line : undefined),
  );
}

function followAddr(id: PathLabels, names: Names, signal: AbortSignal, sink: LineSink): void {
  names.addr(id, signal, ({ line }) => {
    if (line.length > 0) sink.send(line);
  });
}

/** Follows a name, and of a split one branch until the tree changes; each watcher draws for itself. */
function followName(
  question: Question,
  names: Names,
  rng: Rng,
  signal: AbortSignal,
  sink: LineSink,
): void {
  let followed: { readonly tree: BoundTree; readonly stop: AbortController } | undefined;
  signal.addEventListener("abort", () => followed?.stop.abort(), { once: true });
  names.tree(question, signal, (outcome) => {
    if (outcome.state === "pending") return;
    if (outcome.state === "failed") {
      followed?.stop.abort();
      return sink.end(outcome.cause);
    }
    const tree = outcome.value;
    if (followed?.tree === tree) return;
    const previous = followed;
    const stop = new AbortController();
    followed = { tree, stop };
    const name = drawName(tree, rng);
    if (name === undefined) sink.send(NEG);
    else followAddr(idLabels(name.id), names, stop.signal, sink);
    // Only now, so that a source which both need goes on being followed.
    previous?.stop.abort();
  });
}
