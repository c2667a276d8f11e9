// Configurations of the product for tests of TLS.
import type { Issued } from "../certs.ts";

/** An identity as the configuration spells it, with the files it names. */
export interface IdentityFiles {
  readonly identity: { readonly certs: readonly string[]; readonly privateKey: string };
  readonly files: Readonly<Record<string, string>>;
}

/** Files for `issued` and its chain. `key`: the text of the key's file, PKCS#8 unless given. */
export function identityFiles(
  name: string,
  issued: Issued,
  options: { readonly chain?: readonly string[]; readonly key?: string } = {},
): IdentityFiles {
  const chain = options.chain ?? [];
  const certs = [issued.certPem, ...chain].map(
    (pem, index) => [`${name}-${index}.pem`, pem] as const,
  );
  const privateKey = `${name}.key`;
  return {
    identity: { certs: certs.map(([file]) => file), privateKey },
    files: { ...Object.fromEntries(certs), [privateKey]: options.key ?? issued.keyPem },
  };
}

export interface ServerSpec {
  /** Endpoints, `ip:port`. */
  readonly to: readonly string[];
  /** Default: `/svc/web`. */
  readonly dst?: string;
  readonly tls?: unknown;
  readonly [key: string]: unknown;
}

/** One router with these servers, each with a destination of its own where `dst` differs. */
export function proxyConfig(
  servers: readonly ServerSpec[],
  client?: unknown,
  rest: Readonly<Record<string, unknown>> = {},
): unknown {
  const names = servers.map(({ dst = "/svc/web", to }) => [dst, to] as const);
  return {
    admin: { port: 0 },
    routers: [
      {
        label: "r",
        interpreter: { kind: "io.l5d.static", names: Object.fromEntries(names) },
        servers: servers.map(({ dst = "/svc/web", to: _, ...server }) => ({
          port: 0,
          dstName: dst,
          ...server,
        })),
        ...(client === undefined ? {} : { client }),
      },
    ],
    ...rest,
  };
}

/** Connections to endpoints speak TLS. */
export function globalTls(
  dnsName: string,
  trustCerts?: readonly string[],
  rest: Readonly<Record<string, unknown>> = {},
): unknown {
  const trust = trustCerts === undefined ? {} : { trustCerts };
  return { kind: "io.l5d.global", tls: { dnsName, ...trust }, ...rest };
}
