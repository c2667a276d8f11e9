// Takes from one configuration what comes from PEM files, and all else from another one that was made of the same text.
import type { ClientRule, Config, RouterConfig, ServerConfig } from "./types.ts";
import type { NamerConfig } from "./namer-types.ts";

/**
 * `config` with the TLS settings of `other`. Both have the same servers, rules and namers in the same order, as they are of
 * one text; where they do not, `config` stays as it is.
 */
export function mergeMaterial(config: Config, other: Config): Config {
  return {
    ...config,
    namers: config.namers.map((namer, index) => withNamerTls(namer, other.namers[index])),
    routers: config.routers.map((router, index): RouterConfig => {
      const from = other.routers[index];
      if (from === undefined || from.label !== router.label) return router;
      return {
        ...router,
        servers: router.servers.map((server, at) => withServerTls(server, from.servers[at])),
        client: router.client.map((rule, at) => withRuleTls(rule, from.client[at])),
      };
    }),
  };
}

/** What `mergeMaterial` takes: changes when, and only when, something that comes from PEM files does. */
export function materialOf(config: Config): unknown {
  return [
    config.namers.map((namer) => ("tls" in namer ? namer.tls : undefined)),
    config.routers.map(({ servers, client }) => [
      servers.map(({ tls }) => tls),
      client.map(({ tls, healthCheck }) => [tls, healthCheck?.tls]),
    ]),
  ];
}

/** `config` without any of it. */
export function withoutMaterial(config: Config): Config {
  const bare = (rule: ClientRule): ClientRule => {
    const { tls: _, healthCheck, ...rest } = rule;
    return {
      ...rest,
      ...(healthCheck !== undefined && { healthCheck: { ...healthCheck, tls: undefined } }),
    };
  };
  return {
    ...config,
    namers: config.namers.map((namer) => ("tls" in namer ? { ...namer, tls: undefined } : namer)),
    routers: config.routers.map((router) => ({
      ...router,
      servers: router.servers.map((server) => ({ ...server, tls: undefined })),
      client: router.client.map(bare),
    })),
  };
}

function withServerTls(server: ServerConfig, from: ServerConfig | undefined): ServerConfig {
  return from?.tls === undefined || server.tls === undefined
    ? server
    : { ...server, tls: from.tls };
}

function withRuleTls(rule: ClientRule, from: ClientRule | undefined): ClientRule {
  const { tls, healthCheck } = rule;
  const checkTls = from?.healthCheck?.tls;
  return {
    ...rule,
    ...(tls !== undefined && from?.tls !== undefined && { tls: from.tls }),
    ...(healthCheck?.tls !== undefined &&
      checkTls !== undefined && { healthCheck: { ...healthCheck, tls: checkTls } }),
  };
}

function withNamerTls(namer: NamerConfig, from: NamerConfig | undefined): NamerConfig {
  if (from === undefined || !("tls" in namer) || !("tls" in from)) return namer;
  if (namer.tls === undefined || from.tls === undefined || namer.kind !== from.kind) return namer;
  return { ...namer, tls: from.tls };
}
