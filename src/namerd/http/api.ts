// The routes of namerd's HTTP API, version 1.
import type { Clock } from "../../lib/clock.ts";
import type { Rng } from "../../lib/rng.ts";
import type { Names } from "../names.ts";
import type { DtabStore } from "../store.ts";
import { BoundNames } from "./bind.ts";
import { boundNames } from "./bound-names.ts";
import { delegate } from "./delegate.ts";
import { type CountWrite, Dtabs } from "./dtabs.ts";
import { type ApiAnswer, type ApiRequest, type Endpoint, whole } from "./exchange.ts";
import { addr, resolve } from "./resolve.ts";

export interface ApiParts {
  readonly store: DtabStore;
  readonly names: Names;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly countWrite: CountWrite;
}

/** Something that answers a request; its errors are the server's to answer. */
export interface Route {
  readonly endpoint: Endpoint;
  readonly answer: (request: ApiRequest) => Promise<ApiAnswer>;
}

const BASE = "/api/1";

/** Finds what answers a path. */
export class Api {
  readonly #parts: ApiParts;
  readonly #dtabs: Dtabs;
  readonly #bound: BoundNames;

  constructor(parts: ApiParts) {
    this.#parts = parts;
    this.#dtabs = new Dtabs(parts.store, parts.names, parts.countWrite);
    this.#bound = new BoundNames(parts.names, parts.clock);
  }

  /** Follows nothing any more. */
  stop(): void {
    this.#bound.stop();
  }

  /** What answers `path`, which is as it was sent: what stands behind an endpoint's slash is the namespace, undecoded. */
  route(path: string): Route {
    const { names, clock, rng } = this.#parts;
    if (!path.startsWith(`${BASE}/`)) return UNKNOWN;
    const [, endpoint = "", slash, namespace = ""] =
      /^([^/]*)(\/?)(.*)$/s.exec(path.slice(BASE.length + 1)) ?? [];
    const isNamed = slash === "/";
    switch (endpoint) {
      case "dtabs":
        return namespace === ""
          ? { endpoint, answer: (request) => this.#dtabs.list(request) }
          : { endpoint, answer: (request) => this.#dtabs.namespace(request, namespace) };
      case "delegate":
        return {
          endpoint,
          answer: (request) => delegate(request, isNamed ? namespace : undefined, names, clock),
        };
      case "bound-names":
        return isNamed ? UNKNOWN : { endpoint, answer: (request) => boundNames(request, names) };
      case "bind":
        if (!isNamed) return UNKNOWN;
        return { endpoint, answer: (request) => this.#bound.bind(request, namespace) };
      case "addr":
        return isNamed ? { endpoint, answer: (request) => addr(request, names) } : UNKNOWN;
      case "resolve":
        if (!isNamed) return UNKNOWN;
        return { endpoint, answer: (request) => resolve(request, namespace, names, rng) };
      default:
        return UNKNOWN;
    }
  }
}

const UNKNOWN: Route = { endpoint: "unknown", answer: async () => whole(404) };
