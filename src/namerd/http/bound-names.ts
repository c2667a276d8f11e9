// `/bound-names`: the ids of all namers that can list theirs.
import { lineOf, type Names } from "../names.ts";
import {
  type ApiAnswer,
  type ApiRequest,
  json,
  JSON_TYPE,
  type LineSink,
  whole,
} from "./exchange.ts";
import { firstOf } from "./first.ts";

/** Answers `/bound-names`. */
export async function boundNames(request: ApiRequest, names: Names): Promise<ApiAnswer> {
  if (request.method !== "GET") return whole(404);
  const { signal } = request;
  const { service } = names;
  if (!request.params.flag("watch")) {
    const watch = (stop: AbortSignal, report: (ids: readonly string[]) => void): void =>
      service.names(stop, report);
    return json(await firstOf(signal, watch, render));
  }
  const follow = (sink: LineSink): void => service.names(signal, (ids) => sink.send(render(ids)));
  return { kind: "watch", headers: { "Content-Type": JSON_TYPE }, follow };
}

/** namerd puts the list together by hand: no name at all looks like one that is empty. */
function render(ids: readonly string[]): Uint8Array {
  return lineOf(`[${ids.length === 0 ? '""' : ids.map((id) => JSON.stringify(id)).join(",")}]`);
}
