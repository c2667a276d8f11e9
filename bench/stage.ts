// Starts proxies, each with ports, a directory and a backend port of its own.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Identities } from "./certificate.ts";
import type { Children, Ports } from "./children.ts";
import type { Placement } from "./placement.ts";
import type { Contender, Running, Variant } from "./proxies/contender.ts";

/** Backend ports: each proxy started takes the next one, and after the last the first again. */
const BACKEND_PORTS = 16;

/** What all proxies of a run share. */
export class Stage {
  readonly dir: string;
  readonly identities: Identities;
  readonly #children: Children;
  readonly #ports: Ports;
  readonly #backendPorts: readonly number[];
  #started = 0;

  private constructor(
    dir: string,
    identities: Identities,
    children: Children,
    ports: Ports,
    backendPorts: readonly number[],
  ) {
    this.dir = dir;
    this.identities = identities;
    this.#children = children;
    this.#ports = ports;
    this.#backendPorts = backendPorts;
  }

  /** Starts the backend. */
  static async open(
    dir: string,
    identities: Identities,
    children: Children,
    ports: Ports,
    placement: Placement,
  ): Promise<Stage> {
    const backendPorts: number[] = [];
    for (let count = 0; count < BACKEND_PORTS; count++) backendPorts.push(await ports.take());
    const program = join(import.meta.dir, "load/backend.ts");
    const argv = [process.execPath, "--no-env-file", program, ...backendPorts.map(String)];
    const command = { argv, cores: placement.backend };
    await children.start(command, backendPorts, join(dir, "backend.log"));
    return new Stage(dir, identities, children, ports, backendPorts);
  }

  /** Starts `contender` on `cores`. */
  async start(
    contender: Contender,
    cores: string | undefined,
    variant: Variant = "ecdsa",
  ): Promise<Running> {
    const number = this.#started++;
    const dir = join(this.dir, `${number}-${contender.name.replaceAll(/\W+/g, "-")}`);
    mkdirSync(dir);
    const plainPort = await this.#ports.take();
    const tlsPort = await this.#ports.take();
    const backendPort = this.#backendPorts[number % BACKEND_PORTS] ?? 0;
    return await contender.start({
      dir,
      variant,
      identity: this.identities[variant === "rsa" ? "rsa" : "ecdsa"],
      plainPort,
      tlsPort,
      backendPort,
      cores,
      launch: (argv, cwd) =>
        this.#children.start(
          { argv, cores, ...(cwd === undefined ? {} : { cwd }) },
          [plainPort, tlsPort],
          join(dir, "log"),
        ),
    });
  }
}
