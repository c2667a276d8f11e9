// The rules by which a connection may be refused: the label values of l5d_srv_limited_total.
import type { LimitReason } from "./reason.ts";

/** In the order in which they are asked. */
export const LIMIT_RULES = {
  overload: "overload",
  deny: "denied",
  allow: "denied",
  source_connections: "source_limit",
  source_rate: "rate_limited",
  network_connections: "source_limit",
  network_rate: "rate_limited",
  server_rate: "rate_limited",
} as const satisfies Readonly<Record<string, LimitReason>>;

export type LimitRule = keyof typeof LIMIT_RULES;

/** All rules by number, for shared memory. */
export const RULE_NAMES = Object.keys(LIMIT_RULES) as readonly LimitRule[];

/** Numbers of the rules. */
export const RULE_NUMBERS = Object.fromEntries(
  RULE_NAMES.map((name, index) => [name, index]),
) as Readonly<Record<LimitRule, number>>;
