// Reads what follows the word `ctl` on the command line.
import { formatAddress } from "../lib/address.ts";
import { suggest } from "../config/suggest.ts";
import type { CtlAction, CtlCommand, CtlKeys } from "./ctl.ts";
import { CTL_ACTIONS, type CtlOption } from "./ctl-help.ts";

/** What the options say, by long name. */
export type CtlValues = ReadonlyMap<string, string | undefined>;

/** The request, or what is wrong with it. `admin` is the address of the admin port. */
export function readCtl(
  operands: readonly string[],
  values: CtlValues,
  admin: { readonly host: string; readonly port: number },
): CtlCommand | string {
  const [word, ...rest] = operands;
  const names = CTL_ACTIONS.map(({ word: known }) => known);
  if (word === undefined) return `ctl needs one of ${names.join(", ")}`;
  const spec = CTL_ACTIONS.find((known) => known.word === word);
  if (spec === undefined) {
    const meant = suggest(word, names);
    return `ctl knows no ${word}${meant === undefined ? "" : `; did you mean ${meant}?`}`;
  }
  const allowed: readonly CtlOption[] = [...spec.options, "admin-addr", "json"];
  const foreign = [...values.keys()].find((name) => !allowed.includes(name as CtlOption));
  if (foreign !== undefined) return `--${foreign} does not go with ctl ${word}`;
  const read = readAction(word, rest, values);
  if (typeof read === "string") return read;
  const baseUrl = `http://${formatAddress({ ip: admin.host, port: admin.port })}`;
  return { baseUrl, json: values.has("json"), action: read };
}

function readAction(word: string, rest: readonly string[], values: CtlValues): CtlAction | string {
  const keys = keysOf(values);
  switch (word) {
    case "connections":
    case "kill":
    case "drain":
      if (rest.length === 0) return { action: word, keys };
      if (word === "kill" && keys["id"] === undefined) {
        return { action: word, keys: { ...keys, id: rest.join(",") } };
      }
      return unexpected(word, rest[0]);
    case "weight": {
      const [endpoint, weight, ...more] = rest;
      if (endpoint === undefined || weight === undefined) {
        return "ctl weight needs an endpoint and a weight, or default: ctl weight 10.0.0.1:80 0.5";
      }
      if (more.length > 0) return unexpected(word, more[0]);
      return override(keys, endpoint, { weight: weight === "default" ? null : weight });
    }
    case "disable":
    case "enable": {
      const [endpoint, ...more] = rest;
      if (endpoint === undefined) return `ctl ${word} needs an endpoint: ctl ${word} 10.0.0.1:80`;
      if (more.length > 0) return unexpected(word, more[0]);
      return override(keys, endpoint, { enabled: word === "disable" ? false : null });
    }
    case "overrides":
    case "status":
    case "reload":
    case "plan":
    case "upgrade":
      return rest.length === 0 ? { action: word } : unexpected(word, rest[0]);
    default:
      return `ctl knows no ${word}`;
  }
}

function override(keys: CtlKeys, endpoint: string, wish: CtlKeys): CtlAction {
  return { action: "override", keys: { ...keys, endpoint, ...wish } };
}

/** The keys of the admin port for the options that were given. */
function keysOf(values: CtlValues): CtlKeys {
  return Object.fromEntries(
    [...values].flatMap(([name, value]): [string, string | boolean][] => {
      const key = KEYS[name];
      return key === undefined ? [] : [[key, value ?? true]];
    }),
  );
}

const KEYS: Readonly<Record<string, string>> = {
  id: "id",
  server: "server",
  router: "router",
  dst: "dst",
  endpoint: "endpoint",
  source: "source",
  "min-age": "minAgeSecs",
  "min-idle": "minIdleSecs",
  "min-bytes": "minBytes",
  "max-bytes": "maxBytes",
  all: "all",
  sort: "sort",
  limit: "limit",
  window: "windowSecs",
  "max-per-sec": "maxPerSec",
  deadline: "deadlineSecs",
  "stop-new": "stopNew",
  for: "forSecs",
};

function unexpected(word: string, extra: string | undefined): string {
  return `unexpected ${extra} after ctl ${word}`;
}
