// The namer `io.l5d.etcd`: endpoints that stand below a prefix of keys, put there by people or by the services themselves.
import type { EtcdNamerConfig } from "../../config/namer-types.ts";
import type { HostEndpoint } from "../../config/types.ts";
import type { Resolution } from "../../naming/resolution.ts";
import type { EtcdKv } from "./etcd-answer.ts";
import { EtcdClient } from "./etcd-client.ts";
import { type EtcdEndpoints, parseEtcdEndpoints } from "./etcd-endpoints.ts";
import { keyPrefix, printKey } from "./etcd-keys.ts";
import { type EtcdState, EtcdWatch } from "./etcd-watch.ts";
import { HostEndpoints } from "../host-endpoints.ts";
import { httpTls } from "../http-tls.ts";
import type { LeafSource, NamerDeps } from "../namer.ts";

/** A source that is well confirms each name at least this often: after a resync, or a look-up of its hosts after that. */
export const ETCD_CONFIRMS_WITHIN_MS = 900_000;
/** How many bad entries of a value are told one by one. */
const PROBLEMS_TOLD = 5;

/**
 * Names are of one segment. The endpoints of `<name>` are those of the key `<pathPrefix>/<name>` and of all keys below
 * `<pathPrefix>/<name>/`, such as one for each instance with a lease; etcd-endpoints.ts reads their values. `neg` where
 * there is no such key. What cannot be read is logged with its key and left out; where nothing is left, the name is
 * `failed`; so it is, whatever stands there, as long as etcd cannot be followed.
 */
export function etcdSource(config: EtcdNamerConfig, deps: NamerDeps): LeafSource {
  const tls = config.tls && httpTls(config.tls);
  const client = new EtcdClient({ baseUrls: config.baseUrls, tls }, deps.clock);
  const prefix = keyPrefix(config.pathPrefix);
  return {
    split(path) {
      const [name, ...residual] = path;
      return name === undefined || name.includes("/") ? undefined : { id: [name], residual };
    },
    watch(id, signal, report) {
      if (signal.aborted) return;
      const name = new EtcdName(`${prefix}${id.join("/")}`, client, deps, report);
      signal.addEventListener("abort", () => name.stop(), { once: true });
    },
  };
}

interface Read extends EtcdEndpoints {
  readonly kv: EtcdKv;
}

/** One name, followed until `stop`. */
class EtcdName {
  readonly #key: string;
  readonly #deps: NamerDeps;
  readonly #report: (resolution: Resolution) => void;
  readonly #watch: EtcdWatch;
  readonly #hosts: HostEndpoints;
  /** What the keys held when they were read last, so that a value is read, and its faults are told, once. */
  #read = new Map<string, Read>();
  /** Whether etcd has said something since the last report. */
  #due = false;
  /** What the keys stand for, as it was told. */
  #last: Resolution | undefined;
  /** Why etcd cannot be followed; undefined while it can. */
  #trouble: string | undefined;

  /** `key`: that of the name, as bytes. */
  constructor(
    key: string,
    client: EtcdClient,
    deps: NamerDeps,
    report: (resolution: Resolution) => void,
  ) {
    this.#key = key;
    this.#deps = deps;
    this.#report = report;
    this.#hosts = new HostEndpoints(deps, (resolution) => this.#onHosts(resolution));
    // From the name to the end of what is below it. Between the two are names such as web-2, which #isOurs leaves out.
    const range = { key, end: `${key}0` };
    this.#watch = new EtcdWatch(client, range, deps, {
      state: (state) => this.#onState(state),
      failed: (cause) => {
        this.#trouble = cause;
        report({ state: "failed", cause });
      },
    });
  }

  stop(): void {
    this.#watch.stop();
    this.#hosts.clear();
    // Whoever leaves in the midst of a report hears no more.
    this.#trouble = undefined;
  }

  #onState({ kvs }: EtcdState): void {
    this.#trouble = undefined;
    const read = new Map<string, Read>();
    for (const kv of kvs.values()) if (this.#isOurs(kv.key)) read.set(kv.key, this.#readKey(kv));
    this.#read = read;
    if (read.size === 0) return this.#settle({ state: "neg" });
    const all = [...read.values()];
    const endpoints: readonly HostEndpoint[] = all.flatMap((one) => one.endpoints);
    const [problem] = [...read].flatMap(([key, { problems }]) =>
      problems.map((it) => `${printKey(key)}: ${it}`),
    );
    if (endpoints.length === 0 && problem !== undefined) {
      const cause = `no key of the name can be used; ${problem}`;
      return this.#settle({ state: "failed", cause });
    }
    this.#due = true;
    this.#hosts.set(endpoints);
  }

  #isOurs(key: string): boolean {
    return key === this.#key || key.startsWith(`${this.#key}/`);
  }

  #readKey(kv: EtcdKv): Read {
    const known = this.#read.get(kv.key);
    // The value too: after a backup was restored, a revision may be that of another write.
    if (known?.kv.modRevision === kv.modRevision && known.kv.value === kv.value) return known;
    const { endpoints, problems } = parseEtcdEndpoints(kv.value);
    this.#noteProblems(printKey(kv.key), problems);
    return { endpoints, problems, kv };
  }

  #noteProblems(key: string, problems: readonly string[]): void {
    const { log, metrics } = this.#deps;
    metrics.skip(problems.length);
    for (const problem of problems.slice(0, PROBLEMS_TOLD)) {
      log.warn("left out an endpoint in etcd", () => ({ key, problem }));
    }
    const more = problems.length - PROBLEMS_TOLD;
    if (more > 0) log.warn("left out more endpoints in etcd", () => ({ key, endpoints: more }));
  }

  /** Without endpoints there is nothing to look up. */
  #settle(resolution: Resolution): void {
    this.#hosts.clear();
    this.#tell(resolution);
  }

  /** Rounds of look-ups that change nothing say nothing of etcd, and so confirm nothing by themselves. */
  #onHosts(resolution: Resolution): void {
    // The name exists, whether its hosts do or not.
    const answer: Resolution =
      resolution.state === "neg" ? { state: "bound", endpoints: [] } : resolution;
    if (this.#due || !Bun.deepEquals(answer, this.#last)) this.#tell(answer);
  }

  #tell(resolution: Resolution): void {
    this.#due = false;
    this.#last = resolution;
    this.#report(resolution);
    // Hosts are looked up without etcd too; that they have changed does not mean that it is back.
    if (this.#trouble !== undefined) this.#report({ state: "failed", cause: this.#trouble });
  }
}
