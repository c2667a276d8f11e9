// The admin server's routes for connections and endpoints: what operators do at run time.
import { ControlError } from "./control-port.ts";
import {
  type Given,
  givenByBody,
  givenByQuery,
  type Read,
  readDrain,
  readKill,
  readList,
  readOverride,
} from "./control-requests.ts";
import { type AdminRequest, type AdminRoute, type Answer, json } from "./answer.ts";

const FILTER =
  "The filter is any of `id`, `server`, `router`, `dst`, `endpoint`, `source` (an address or a block), `minAgeSecs`, " +
  "`minIdleSecs`, `minBytes`, `maxBytes`: connections that fit all of it.";

/** All of them, in the order of the documentation. */
export const CONTROL_ROUTES: readonly AdminRoute[] = [
  {
    method: "GET",
    path: "/connections",
    summary:
      `Connections that are open now, as JSON. ${FILTER} Besides, \`sort\` (\`age\`, \`idle\` or \`bytes\`, the greatest ` +
      "first) and `limit` (100).",
    handle: (app, { query }) =>
      answer(readList(givenByQuery(query)), ({ filter, order, limit }) =>
        app.control.connections(filter, order, limit),
      ),
  },
  {
    method: "POST",
    path: "/connections/kill",
    summary:
      "Resets connections. The body is a JSON object with a filter, or `all: true`. Answers how many were meant.",
    handle: (app, request) =>
      answer(body(request, readKill), ({ filter }) => app.control.end(filter, { kind: "cut" })),
  },
  {
    method: "POST",
    path: "/connections/drain",
    summary:
      "Ends connections one after the other. The body has a filter, or `all: true`, and `windowSecs`, `maxPerSec` and " +
      "`deadlineSecs`, in whose place the destination's `drain` stands. With `stopNew` an `endpoint` is disabled too, or a " +
      "`server` accepts no more, until the process ends. Answers how many were meant.",
    handle: (app, request) =>
      answer(body(request, readDrain), ({ filter, how }) => app.control.end(filter, how)),
  },
  {
    method: "GET",
    path: "/overrides",
    summary:
      "What operators want of endpoints instead of what names say, as JSON, with the weight that the name gives.",
    handle: (app) => answer({ ok: true, value: undefined }, () => app.control.overrides()),
  },
  {
    method: "POST",
    path: "/overrides",
    summary:
      "Sets the `weight` of an `endpoint`, or whether it is `enabled`, in all destinations or in those of a `dst` and a " +
      "`router`, for `forSecs` or for good. `null` is what the name says; keys that are not given stay. It outlives " +
      "reloads. Answers all overrides.",
    handle: (app, request) =>
      answer(body(request, readOverride), ({ target, wish, forMs }) =>
        app.control.override(target, wish, forMs),
      ),
  },
];

function body<T>({ body: given }: AdminRequest, read: (given: Given) => Read<T>): Read<T> {
  const object = givenByBody(given);
  return object.ok ? read(object.value) : object;
}

/** The answer to what was read, or why there is none. */
async function answer<T>(read: Read<T>, perform: (value: T) => unknown): Promise<Answer> {
  if (!read.ok) return problem(400, read.message);
  try {
    return json(await perform(read.value));
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    return problem(STATUS[error.code], error.message);
  }
}

const STATUS = { UNKNOWN_TARGET: 404, CONFLICT: 409, UNAVAILABLE: 503 } as const;

function problem(status: number, message: string): Answer {
  return json({ error: message }, status);
}
