// linkerd-tcp from a source tree: the working one, or a worktree of another commit.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { SERVER_NAME } from "../load/dial.ts";
import { type Contender, running, type Site } from "./contender.ts";

/** Which of ours. */
export interface Ours {
  readonly name: string;
  readonly version: string;
  /** The root of the tree. */
  readonly root: string;
  /** The program, relative to the root or absolute. */
  readonly main: string;
  /** Threads that serve connections. */
  readonly workers: number;
}

/** The linkerd-tcp that `ours` describes. */
export function linkerdTcp({ name, version, root, main, workers }: Ours): Contender {
  const program = join(main.startsWith("/") ? "" : root, main);
  return {
    name,
    kind: "ours",
    version,
    async start(site) {
      if (!existsSync(program)) throw new Error(`${program} does not exist`);
      const path = join(site.dir, "linkerd-tcp.yml");
      await Bun.write(path, configuration(site, workers));
      const argv = [process.execPath, "--no-env-file", program, path];
      const child = await site.launch(argv, root);
      return running(site, child, [child.pid]);
    },
  };
}

/** JSON is YAML. */
function configuration(site: Site, workers: number): string {
  const server = (port: number): object => ({ port, ip: "127.0.0.1", dstName: "/svc/web" });
  const names = { "/svc/web": [`127.0.0.1:${site.backendPort}`] };
  const router = {
    label: "bench",
    interpreter: { kind: "io.l5d.static", names },
    servers: [server(site.plainPort), tlsServer(site)],
  };
  return JSON.stringify({ admin: { port: 0 }, workers, routers: [router] }, undefined, 2);
}

function tlsServer({ variant, tlsPort: port, identity: { certPath, keyPath } }: Site): object {
  const at = { port, ip: "127.0.0.1" };
  if (variant === "passthrough") {
    const routes = [{ match: { sni: [SERVER_NAME] }, dstName: "/svc/web" }];
    return { ...at, passthrough: {}, routes };
  }
  const tls = { defaultIdentity: { certs: [certPath], privateKey: keyPath } };
  return { ...at, dstName: "/svc/web", tls };
}
