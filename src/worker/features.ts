// Parts of the data plane that few configurations use. Each is loaded before the first message that needs it is applied:
// a worker holds none that nobody has asked for (docs/internals/memory.md). What an operator's order or a failure needs is
// not among them: it must be there when the program's files have been replaced.
import type { ToWorker } from "../wire/messages.ts";

const LOADERS = {
  /** Limits of servers, and shedding. */
  limits: () => import("./admission.ts"),
  /** Every balancer but the default one. */
  pickers: () => import("./pickers.ts"),
  /** PROXY headers with which connections begin. */
  incomingHeaders: () => import("./incoming-headers.ts"),
  /** TLS with clients. */
  serverTls: () => import("../transport/server-tls.ts"),
  /** Servers that choose where connections go. */
  routing: () => import("./routing.ts"),
  /** Names that connections bring up. */
  names: () => import("./names.ts"),
  /** Clients that must end TLS by close_notify. */
  strictEnds: () => import("./strict-ends.ts"),
  /** TLS to endpoints. */
  clientTls: () => import("./endpoint-tls.ts"),
} as const;

export type Feature = keyof typeof LOADERS;

type Loaded = { [Name in Feature]?: Awaited<ReturnType<(typeof LOADERS)[Name]>> };

export class Features {
  readonly #loaded: Loaded = {};

  /** Loads what is not there yet of `names`; undefined when nothing is missing. Rejects when a file cannot be read. */
  load(names: readonly Feature[]): Promise<unknown> | undefined {
    const missing = names.filter((name) => this.#loaded[name] === undefined);
    if (missing.length === 0) return undefined;
    return Promise.all(missing.map((name) => this.#loadOne(name)));
  }

  /** What was loaded before. */
  get<Name extends Feature>(name: Name): NonNullable<Loaded[Name]> {
    const loaded = this.#loaded[name];
    if (loaded === undefined) throw new Error(`${name} is not loaded: it is missing in featuresOf`);
    return loaded;
  }

  async #loadOne<Name extends Feature>(name: Name): Promise<void> {
    this.#loaded[name] = (await LOADERS[name]()) as Loaded[Name];
  }
}

/** What a worker needs to apply `message`. */
export function featuresOf(message: ToWorker): readonly Feature[] {
  switch (message.type) {
    case "start":
      return message.overload === undefined ? [] : ["limits"];
    case "add-destination":
    case "configure-destination": {
      const { loadBalancer, tls } = message.config;
      const names: Feature[] = loadBalancer.kind === "p2c" ? [] : ["pickers"];
      if (tls !== undefined) names.push("clientTls");
      return names;
    }
    case "add-server":
    case "configure-server": {
      const names: Feature[] = message.limits === undefined ? [] : ["limits"];
      if (message.proxyProtocol !== undefined) names.push("incomingHeaders");
      if (message.tls !== undefined) names.push("serverTls");
      if (message.routing !== undefined) names.push("routing");
      if (message.bringsUpNames === true) names.push("names");
      if (message.tls?.closeNotify === "required") names.push("strictEnds");
      return names;
    }
    default:
      return [];
  }
}
