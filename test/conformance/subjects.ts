// The proxies that the suite is run against, each configured as well as it can be. The first port of the others is for
// who waits until they accept: a connection of its own to an endpoint would be taken for that of a case.
import { existsSync } from "node:fs";
import { issue, makeCa } from "../support/certs.ts";
import { FrontProxy } from "../support/peers/front-proxies.ts";
import { Product } from "../support/product.ts";
import { identityFiles, proxyConfig } from "../support/tls/config.ts";
import type { ClientTrust, EndpointIdentity } from "./peers.ts";
import { MODES, TLS_MODES, type TlsMode } from "./script.ts";

/** Where Debian puts the module when it is not compiled in. */
const NGINX_STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so";

export type Ports = Readonly<Record<TlsMode, number>>;

/** What every proxy is given: names, keys, and an endpoint for each way of speaking TLS. */
export interface Scene {
  /** How clients trust the proxy. */
  readonly trust: ClientTrust;
  /** What endpoints that speak TLS show. */
  readonly inner: EndpointIdentity;
  /** What the proxy shows. */
  readonly outer: EndpointIdentity;
}

/** A proxy that runs, with a port for each way of speaking TLS. */
export interface Running extends AsyncDisposable {
  readonly ports: Ports;
}

export interface Subject {
  /** Column of the table. */
  readonly name: string;
  /** Undefined where the program is missing. */
  readonly version: string | undefined;
  /** How it is configured, in a sentence for the page. */
  readonly configured: string;
  start(scene: Scene, endpoints: Ports): Promise<Running>;
}

export async function makeScene(): Promise<Scene> {
  const ca = await makeCa();
  return {
    trust: { ca: ca.certPem, serverName: "outer.test" },
    inner: await issue(ca, { names: ["inner.test"] }),
    outer: await issue(ca, { names: ["outer.test"] }),
  };
}

export const OURS: Subject = {
  name: "linkerd-tcp",
  version: "this",
  configured: "As it comes.",
  async start({ trust, outer }, endpoints) {
    const { identity, files } = identityFiles("outer", {
      ...outer,
      traditionalKeyPem: "",
      encryptedKeyPem: "",
    });
    const tls = { dnsName: "inner.test", trustCerts: ["ca.pem"] };
    const secure = MODES.filter((mode) => TLS_MODES[mode].endpoint);
    const servers = MODES.map((mode) => ({
      to: [`127.0.0.1:${endpoints[mode]}`],
      dst: `/svc/${mode}`,
      ...(TLS_MODES[mode].client ? { tls: { defaultIdentity: identity } } : {}),
    }));
    const configs = secure.map((mode) => ({ prefix: `/svc/${mode}`, tls }));
    const product = await Product.start(proxyConfig(servers, { kind: "io.l5d.static", configs }), {
      files: { ...files, "ca.pem": trust.ca },
    });
    return running(product, (mode) => product.port(`/svc/${mode}`));
  },
};

const HAPROXY: Subject = {
  name: "HAProxy",
  version: versionOf(["haproxy", "-v"], /version (\S+)/),
  configured:
    "`mode tcp`; timeouts of a minute; no `timeout client-fin`, which would cut half-closed connections.",
  async start(scene, endpoints) {
    const proxy = await FrontProxy.haproxy({
      ports: 1 + MODES.length,
      files: filesOf(scene),
      config: ([probed, ...ports], folder) => `
global
  maxconn 2000
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-server-options ssl-min-ver TLSv1.3
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen probed
  bind 127.0.0.1:${probed}
${MODES.map((mode, at) => haproxyListen(mode, ports[at] ?? 0, endpoints[mode], folder)).join("\n")}`,
    });
    return running(proxy, (mode) => proxy.port(1 + MODES.indexOf(mode)));
  },
};

function haproxyListen(mode: TlsMode, port: number, endpoint: number, folder: string): string {
  const { client, endpoint: inner } = TLS_MODES[mode];
  const crt = client ? ` ssl crt ${folder}/outer.pem` : "";
  const verify = inner ? ` ssl verify required ca-file ${folder}/ca.pem sni str(inner.test)` : "";
  return `listen ${mode}\n  bind 127.0.0.1:${port}${crt}\n  server s 127.0.0.1:${endpoint}${verify}`;
}

function nginx(halfClose: "on" | "off"): Subject {
  const there = existsSync(NGINX_STREAM) || Bun.which("nginx") === null;
  return {
    name: `nginx, half-close ${halfClose}`,
    version: there ? versionOf(["nginx", "-v"], /nginx\/(\S+)/) : undefined,
    configured: `\`stream\`; \`proxy_timeout 60s\`; \`proxy_half_close ${halfClose}\`${halfClose === "off" ? ", the default" : ""}.`,
    async start(scene, endpoints) {
      const proxy = await FrontProxy.nginx({
        ports: 1 + MODES.length,
        files: filesOf(scene),
        config: ([probed, ...ports], folder) => `
load_module ${NGINX_STREAM};
daemon off;
master_process off;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 2000; }
stream {
  proxy_timeout 60s;
  proxy_half_close ${halfClose};
  server { listen 127.0.0.1:${probed}; return ""; }
  ${MODES.map((mode, at) => nginxServer(mode, ports[at] ?? 0, endpoints[mode], folder)).join("\n  ")}
}`,
      });
      return running(proxy, (mode) => proxy.port(1 + MODES.indexOf(mode)));
    },
  };
}

function nginxServer(mode: TlsMode, port: number, endpoint: number, folder: string): string {
  const { client, endpoint: inner } = TLS_MODES[mode];
  const lines = [
    `listen 127.0.0.1:${port}${client ? " ssl" : ""};`,
    `proxy_pass 127.0.0.1:${endpoint};`,
  ];
  if (client)
    lines.push(
      `ssl_certificate ${folder}/outer.pem;`,
      `ssl_certificate_key ${folder}/outer.pem;`,
      "ssl_protocols TLSv1.3;",
    );
  if (inner)
    lines.push(
      "proxy_ssl on;",
      "proxy_ssl_protocols TLSv1.3;",
      "proxy_ssl_name inner.test;",
      "proxy_ssl_server_name on;",
      "proxy_ssl_verify on;",
      `proxy_ssl_trusted_certificate ${folder}/ca.pem;`,
    );
  return `server { ${lines.join(" ")} }`;
}

/** All proxies of the table, ours first. */
export const SUBJECTS: readonly Subject[] = [OURS, HAPROXY, nginx("on"), nginx("off")];

function filesOf({ trust, outer }: Scene): Readonly<Record<string, string>> {
  return { "outer.pem": outer.keyPem + outer.certPem, "ca.pem": trust.ca };
}

function running(proxy: AsyncDisposable, portOf: (mode: TlsMode) => number): Running {
  const ports = Object.fromEntries(MODES.map((mode) => [mode, portOf(mode)])) as Record<
    TlsMode,
    number
  >;
  return { ports, [Symbol.asyncDispose]: async () => proxy[Symbol.asyncDispose]() };
}

function versionOf(command: string[], pattern: RegExp): string | undefined {
  if (Bun.which(command[0] ?? "") === null) return undefined;
  const { stdout, stderr } = Bun.spawnSync(command);
  return pattern.exec(stdout.toString() + stderr.toString())?.[1];
}
