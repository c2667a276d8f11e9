// The servers of one worker: made as the control thread says.
import type { Balancer } from "../balancer/balancer.ts";
import type { Overload } from "../admission/overload.ts";
import { formatAddress } from "../lib/address.ts";
import { Descriptors } from "../proxy/descriptors.ts";
import { ServerMetrics } from "../proxy/metrics.ts";
import { IncomingRule } from "../proxy/proxy-protocol/incoming.ts";
import { Server, type ServerSetup } from "../proxy/server.ts";
import { labelled } from "../telemetry/log.ts";
import { Listener } from "../transport/listener.ts";
import { createServerTls, type ServerTls } from "../transport/server-tls.ts";
import { createStartTls } from "../transport/server-upgrade.ts";
import type { ConfigureServer, ServerSpec } from "../wire/messages.ts";
import { type AdmissionOf, admissionOf } from "./admission.ts";
import type { WorkerParts } from "./parts.ts";

/** Where the sessions of a server go. */
export interface Routing {
  /** The balancer of a new connection. */
  readonly route: () => Balancer | undefined;
  /** Called once, when nobody will ask `route` any more. */
  readonly onOver: () => void;
}

/** A server on this worker. */
interface Entry {
  readonly server: Server;
  readonly listener: Listener;
  readonly metrics: ServerMetrics;
  /** Where new connections go. */
  destination: number;
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
    const tls = tlsConfig && createServerTls(tlsConfig);
    const address = formatAddress({ ip, port });
    const admission = admissionOf(this.#parts, router, address, this.#overload);
    const setup = this.#setupOf(spec, begin(), tls, admission);
    const readsHeaders = setup.incoming !== undefined;
    const metrics = new ServerMetrics(registry, router, address, tls !== undefined, readsHeaders);
    const server = new Server({
      ...setup,
      metrics,
      descriptors: this.#descriptors,
      overload: this.#overload,
      clock,
      rng,
      log: labelled(logger("proxy"), { srv: address }),
    });
    const listensWithTls = tls !== undefined && !readsHeaders;
    const listenerTls = listensWithTls ? tls : undefined;
    const listener = new Listener(spec, server.accept, listenerTls, onFault);
    const { destination } = spec;
    const entry: Entry = { server, listener, metrics, destination, admission, tls, listensWithTls };
    this.#entries.add(entry);
    this.#byId.set(spec.server, entry);
    server.listen(listener);
  }

  /** New sessions of a server have other settings. Its listening socket stays, and so does what waits in its queue. */
  configure(spec: Omit<ConfigureServer, "type">, begin: () => Routing): void {
    const entry = this.#byId.get(spec.server);
    if (entry === undefined) return;
    const { server, listener, metrics, admission } = entry;
    const tls = spec.keepsTls ? entry.tls : spec.tls && createServerTls(spec.tls, entry.tls);
    const setup = this.#setupOf(spec, begin(), tls, admission);
    entry.destination = spec.destination;
    const readsHeaders = setup.incoming !== undefined;
    metrics.expect(tls !== undefined, readsHeaders);
    const listensWithTls = tls !== undefined && !readsHeaders;
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
    this.#byId.delete(id);
    entry.server.drain(() => {
      this.#entries.delete(entry);
      entry.metrics.release();
      entry.admission.release();
    });
  }

  /** All servers by id, with the destination that new connections go to. */
  get all(): ReadonlyMap<number, { readonly server: Server; readonly destination: number }> {
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

  #setupOf(
    spec: ServerSpec,
    routing: Routing,
    tls: ServerTls | undefined,
    admission: AdmissionOf,
  ): ServerSetup {
    const { start, onFault } = this.#parts;
    const { proxyProtocol } = spec;
    const incoming = proxyProtocol && new IncomingRule(proxyProtocol);
    return {
      settings: {
        ...spec,
        tls: tls !== undefined,
        handshakeTimeoutMs: spec.tls?.handshakeTimeoutMs ?? Number.POSITIVE_INFINITY,
        earlyLimitBytes: start.bufferSizeBytes,
      },
      incoming,
      // Where a header comes before TLS, it is for the session to begin TLS.
      startTls: incoming && tls && createStartTls(tls, onFault),
      admission: admission.by(spec.limits),
      ...routing,
    };
  }
}
