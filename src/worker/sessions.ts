// The sessions of one worker, for those who ask: which there are, and ending some of them.
import { type Cidr, inAnyCidr, parseCidr } from "../lib/cidr.ts";
import { Drain } from "../proxy/drain.ts";
import type { Session } from "../proxy/session.ts";
import {
  clientEnds,
  clientIp,
  destinationOf,
  endpointTls,
  type SessionFacts,
  sessionTls,
} from "../proxy/session-facts.ts";
import { DRAIN_METRICS } from "../telemetry/catalogue/server.ts";
import type { Gauge } from "../telemetry/metrics.ts";
import type {
  EndSessions,
  ListSessions,
  SessionRow,
  SessionSelector,
  SessionSort,
  StopEnding,
} from "../wire/session-messages.ts";
import type { WorkerParts } from "./parts.ts";
import type { Servers } from "./servers.ts";

/** A list is built in one go, during which nothing else happens on this worker. */
const MOST_ROWS = 10_000;
/** Of a session, as lists show it. What only looks like one (`0.`, `0.0`, `0.1e1`) names none. */
const NUMBER = /^[1-9][0-9]*$/;
/** No session has it. */
const NONE = -1;

type SessionsParts = Pick<WorkerParts, "clock" | "rng" | "registry" | "send"> & {
  readonly start: Pick<WorkerParts["start"], "worker">;
};

/** A session with what was found out about it. */
interface Found {
  readonly session: Session;
  readonly facts: SessionFacts;
  readonly server: number;
  readonly idleMs: number;
}

export class Sessions {
  readonly #parts: SessionsParts;
  readonly #servers: Pick<Servers, "all">;
  readonly #drains = new Map<number, Drain<Session>>();
  readonly #left: Gauge;
  /** Numbers of those that somebody has asked for: most never get one. */
  readonly #numbers = new WeakMap<Session, number>();
  #nextNumber = 1;

  constructor(parts: SessionsParts, servers: Pick<Servers, "all">) {
    this.#parts = parts;
    this.#servers = servers;
    this.#left = parts.registry.gauge(DRAIN_METRICS.left);
  }

  /** Begins to end what fits now. */
  end({ order, selector, how, reason }: EndSessions): void {
    const { clock, rng, send } = this.#parts;
    const sessions = Array.from(this.#find(selector), ({ session }) => session);
    let counted = 0;
    const drain = new Drain({
      sessions,
      plan: how.kind === "cut" ? undefined : how,
      reason,
      clock,
      rng,
      onProgress: (total, left) => {
        this.#left.add(left - counted);
        counted = left;
        if (left === 0) this.#drains.delete(order);
        send({ type: "ending", order, total, left, isOver: left === 0 });
      },
    });
    if (drain.left > 0) this.#drains.set(order, drain);
  }

  stopEnding({ order, endpoints }: StopEnding): void {
    this.#drains
      .get(order)
      ?.release(
        (session) => endpoints?.includes(session.facts().connection?.endpoint.id ?? -1) ?? true,
      );
  }

  /** Answers with what fits, those that `sort` puts first. */
  list({ query, selector, limit, sort }: ListSessions): void {
    const found = [...this.#find(selector)];
    const rows = found
      .toSorted((a, b) => rank(b, sort) - rank(a, sort))
      .slice(0, Math.min(limit, MOST_ROWS))
      .map((one) => this.#row(one));
    this.#parts.send({ type: "sessions", query, total: found.length, rows });
  }

  *#find(selector: SessionSelector): Generator<Found> {
    const nowMs = this.#parts.clock.now();
    const source = selector.source === undefined ? undefined : parseCidr(selector.source);
    // What cannot be read fits nothing: better than to end everything.
    if (selector.source !== undefined && source === undefined) return;
    const numbers = this.#numbersOf(selector.sessions);
    for (const [id, { server }] of this.#servers.all) {
      if (selector.servers?.includes(id) === false) continue;
      for (const session of server.sessions) {
        if (numbers !== undefined && !numbers.has(this.#numbers.get(session) ?? NONE)) continue;
        const facts = session.facts();
        const found = {
          session,
          facts,
          server: id,
          idleMs: nowMs - session.lastMovedMs(nowMs),
        };
        if (fits(found, selector, source, nowMs)) yield found;
      }
    }
  }

  /** The numbers of those ids that are this worker's; undefined when no ids were given. */
  #numbersOf(ids: readonly string[] | undefined): ReadonlySet<number> | undefined {
    if (ids === undefined) return undefined;
    const own = `${this.#parts.start.worker}.`;
    const numbers = ids
      .filter((id) => id.startsWith(own) && NUMBER.test(id.slice(own.length)))
      .map((id) => Number(id.slice(own.length)));
    return new Set(numbers);
  }

  #row({ session, facts, server, idleMs }: Found): SessionRow {
    const nowMs = this.#parts.clock.now();
    return {
      id: `${this.#parts.start.worker}.${this.#number(session)}`,
      server,
      destination: destinationOf(facts),
      ...clientEnds(facts),
      endpoint: facts.connection?.endpoint.address,
      state: facts.phase,
      ageMs: nowMs - facts.acceptedMs,
      idleMs,
      rxBytes: facts.rxBytes,
      txBytes: facts.txBytes,
      tls: sessionTls(facts),
      endpointTls: endpointTls(facts),
    };
  }

  #number(session: Session): number {
    const known = this.#numbers.get(session);
    if (known !== undefined) return known;
    const number = this.#nextNumber;
    this.#nextNumber += 1;
    this.#numbers.set(session, number);
    return number;
  }
}

function fits(
  { facts, idleMs }: Found,
  selector: SessionSelector,
  source: Cidr | undefined,
  nowMs: number,
): boolean {
  const { destinations, endpoints, minAgeMs = 0, minIdleMs = 0 } = selector;
  const { minBytes = 0, maxBytes = Number.POSITIVE_INFINITY } = selector;
  const bytes = facts.rxBytes + facts.txBytes;
  if (destinations?.includes(destinationOf(facts)) === false) return false;
  if (endpoints?.includes(facts.connection?.endpoint.id ?? -1) === false) return false;
  if (nowMs - facts.acceptedMs < minAgeMs || idleMs < minIdleMs) return false;
  if (bytes < minBytes || bytes > maxBytes) return false;
  if (source === undefined) return true;
  const ip = clientIp(facts);
  return ip !== undefined && inAnyCidr([source], ip);
}

function rank({ facts, idleMs }: Found, sort: SessionSort): number {
  switch (sort) {
    case "age":
      return -facts.acceptedMs;
    case "idle":
      return idleMs;
    case "bytes":
      return facts.rxBytes + facts.txBytes;
    default:
      return sort satisfies never;
  }
}
