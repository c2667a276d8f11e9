// A host of its own for endpoints: a network namespace behind a pair of virtual interfaces, which can be cut. Needs root.
const PREFIX = "l5d";

/** Whether namespaces can be made here. */
export function canMakeNamespaces(): boolean {
  if (process.getuid?.() !== 0 || Bun.which("ip") === null) return false;
  const name = `${PREFIX}try${process.pid}`;
  if (Bun.spawnSync(["ip", "netns", "add", name]).exitCode !== 0) return false;
  return Bun.spawnSync(["ip", "netns", "del", name]).exitCode === 0;
}

let made = 0;

/** A namespace with one address that this host reaches. Goes with the `using` block that holds it. */
export class NetworkNamespace implements Disposable {
  /** The address inside. */
  readonly address: string;
  readonly #name: string;
  readonly #outside: string;
  readonly #inside: string;

  constructor() {
    made += 1;
    // One of the networks that are kept for tests of network gear (RFC 2544), by process and count.
    const [high, low] = [process.pid & 255, (made << 2) & 255];
    this.#name = `${PREFIX}${process.pid}n${made}`;
    this.#outside = `${PREFIX}o${process.pid}n${made}`.slice(0, 15);
    this.#inside = `${PREFIX}i${process.pid}n${made}`.slice(0, 15);
    this.address = `198.18.${high}.${low + 2}`;
    ip(`netns add ${this.#name}`);
    ip(`link add ${this.#outside} type veth peer name ${this.#inside} netns ${this.#name}`);
    ip(`addr add 198.18.${high}.${low + 1}/30 dev ${this.#outside}`);
    ip(`link set ${this.#outside} up`);
    ip(`-n ${this.#name} addr add ${this.address}/30 dev ${this.#inside}`);
    ip(`-n ${this.#name} link set ${this.#inside} up`);
    ip(`-n ${this.#name} link set lo up`);
    // Known for good: a neighbour that has to be asked for and does not answer would be told as unreachable.
    const shown = Bun.spawnSync(["ip", "-n", this.#name, "-br", "link", "show", this.#inside]);
    const mac = /([0-9a-f]{2}:){5}[0-9a-f]{2}/.exec(shown.stdout.toString())?.[0];
    ip(`neigh replace ${this.address} lladdr ${mac} dev ${this.#outside} nud permanent`);
  }

  /** Words before a command that runs inside. */
  get inside(): readonly string[] {
    return ["ip", "netns", "exec", this.#name];
  }

  /** The host vanishes: what is sent to it is lost without a word, and it says nothing more. */
  vanish(): void {
    // Our end of the cable stays up, as the port of a switch does; packets are for an address that nobody has now.
    ip(`-n ${this.#name} link set ${this.#inside} address 02:00:00:00:00:99`);
    ip(`-n ${this.#name} addr flush dev ${this.#inside}`);
  }

  [Symbol.dispose](): void {
    Bun.spawnSync(["ip", "link", "del", this.#outside]);
    Bun.spawnSync(["ip", "netns", "del", this.#name]);
  }
}

function ip(words: string): void {
  const { exitCode, stderr } = Bun.spawnSync(["ip", ...words.split(" ")]);
  if (exitCode !== 0) throw new Error(`ip ${words}: ${stderr.toString()}`);
}
