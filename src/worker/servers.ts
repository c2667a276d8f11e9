// The servers of one worker: made as the control thread says.
import type { Balancer } from "../balancer/balancer.ts";
import type { ServerTlsConfig } from "../config/tls-types.ts";
import type { Overload } from "../admission/overload.ts";
import { formatAddress } from "../lib/address.ts";
import { Descriptors } from "../proxy/descriptors.ts";
import { ServerMetrics } from "../proxy/metrics.ts";
import { Server, type ServerSetup } from "../proxy/server.ts";
import type { SessionRoutes } from "../proxy/session-routes.ts";
import { labelled } from "../telemetry/log.ts";
import { Listener } from "../transport/listener.ts";
import type { ServerTls } from "../transport/server-tls.ts";
import type { ConfigureServer, ServerSpec } from "../wire/messages.ts";
import type { AdmissionOf } from "./admission.ts";
import { lazyAdmission } from "./lazy-admission.ts";
import type { WorkerParts } from "./parts.ts";

/** Where the sessions of a server go. */
export interface Routing {
  /** The balancer of a new connection. */
  readonly route: () => Balancer | undefined;
  /** How connections find theirs instead, on servers that choose. */
  readonly routes?: SessionRoutes | undefined;
  /** Called once, when nobody will ask `route` any more. */
  readonly onOver: () => void;
}

/** A server on this worker. */
interface Entry {
  readonly server: Server;
  readonly listener: Listener;
  readonly metrics: ServerMetrics;
  readonly admission: AdmissionOf;
  tls: ServerTls | undefined;
  /** Whether the listener begins TLS; else, where there is TLS, the session does. */
  listensWithTls: boolean;
}

export class Servers {
  readonly #parts: WorkerParts;
  readonly #descriptors: Descriptors;
  /** Those whose last session has not ended, removed ones included. */
  readonly #entries = new Set<Entry>();
  /** The same, each by its id. */
  readonly #byId = new Map<number, Entry>();
  readonly #overload: Overload | undefined;

  constructor(parts: WorkerParts, overload: Overload | undefined) {
    this.#parts = parts;
    this.#overload = overload;
    this.#descriptors = new Descriptors(parts.start.maxDescriptors);
  }

  /** Makes a server, which accepts from now on. */
  add(spec: ServerSpec, begin: () => Routing): void {
    const { clock, rng, logger, registry, onFault } = this.#parts;
    const { router, ip, port, tls: tlsConfig } = spec;
    const tls = tlsConfig && this.#tlsOf(tlsConfig);
    const address = formatAddress({ ip, port });
    const admission = lazyAdmission(this.#parts, router, address, this.#overload);
    const setup = this.#setupOf(spec, begin(), tls, admission);
    const metrics = new ServerMetrics(
      registry,
      router,
      address,
      tls !== undefined,
      setup.incoming !== undefined,
      setup.routes !== undefined,
    );
    const server = new Server({
      ...setup,
      metrics,
      descriptors: this.#descriptors,
      overload: this.#overload,
      clock,
      rng,
      log: labelled(logger("proxy"), { srv: address }),
    });
    const listensWithTls = tls !== undefined && setup.startTls === undefined;
    const listenerTls = listensWithTls ? tls : undefined;
    const listener = new Listener(spec, server.accept, listenerTls, onFault);
    const entry: Entry = { server, listener, metrics, admission, tls, listensWithTls };
    this.#entries.add(entry);
    this.#byId.set(spec.server, entry);
    server.listen(listener);
  }

  /** New sessions of a server have other settings. Its listening socket stays, and so does what waits in its queue. */
  configure(spec: Omit<ConfigureServer, "type">, begin: () => Routing): void {
    const entry = this.#byId.get(spec.server);
    if (entry === undefined) return;
    const { server, listener, metrics, admission } = entry;
    const tls = spec.keepsTls ? entry.tls : spec.tls && this.#tlsOf(spec.tls, entry.tls);
    const setup = this.#setupOf(spec, begin(), tls, admission);
    const readsHeaders = setup.incoming !== undefined;
    metrics.expect(tls !== undefined, readsHeaders, setup.routes !== undefined);
    const listensWithTls = tls !== undefined && setup.startTls === undefined;
    const isSame =
      listensWithTls === entry.listensWithTls && (!listensWithTls || tls === entry.tls);
    if (!isSame) listener.setTls(listensWithTls ? tls : undefined);
    entry.tls = tls;
    entry.listensWithTls = listensWithTls;
    server.reconfigure(setup);
  }

  /** Accepts no more for a server; it goes when its last session has ended. */
  remove(id: number): void {
    const entry = this.#byId.get(id);
    if (entry === undefined) return;
    entry.server.drain(() => {
      this.#byId.delete(id);
      this.#entries.delete(entry);
      entry.metrics.release();
      entry.admission.release();
    });
  }

  /** All servers by id, removed ones with sessions included. */
  get all(): ReadonlyMap<number, { readonly server: Server }> {
    return this.#byId;
  }

  /** Accepts no more for one server; its sessions go on. */
  close(server: number): void {
    this.#byId.get(server)?.server.stopAccepting();
  }

  /** How many descriptors sessions may hold. */
  limitDescriptors(limit: number): void {
    this.#descriptors.setLimit(limit);
  }

  /** Accepts no more; calls `onDrained` once, when no session is left. */
  drain(onDrained: () => void): void {
    let left = this.#entries.size;
    if (left === 0) onDrained();
    for (const { server } of [...this.#entries]) {
      server.drain(() => {
        left -= 1;
        if (left === 0) onDrained();
      });
    }
  }

  /** Ends all sessions now. */
  destroySessions(): void {
    for (const { server } of this.#entries) server.destroySessions("shutdown");
  }

  #tlsOf(config: ServerTlsConfig, before?: ServerTls): ServerTls {
    const { features, clock } = this.#parts;
    return features.get("serverTls").createServerTls(config, clock.wallTime, before);
  }

  #setupOf(
    spec: ServerSpec,
    routing: Routing,
    tls: ServerTls | undefined,
    admission: AdmissionOf,
  ): ServerSetup {
    const { start, features, onFault } = this.#parts;
    const { proxyProtocol } = spec;
    const isStrict = spec.tls?.closeNotify === "required";
    return {
      settings: {
        ...spec,
        tls: tls !== undefined,
        handshakeTimeoutMs: spec.tls?.handshakeTimeoutMs ?? Number.POSITIVE_INFINITY,
        earlyLimitBytes: start.bufferSizeBytes,
      },
      incoming: undefined,
      startTls: tls && isStrict ? features.get("strictEnds").strictEnds(tls, onFault) : undefined,
      ...(proxyProtocol &&
        features.get("incomingHeaders").incomingHeaders(proxyProtocol, tls, isStrict, onFault)),
      admission: admission.by(spec.limits),
      ...routing,
    };
  }
}
