// Which lines are written: LINKERD_TCP_LOG or RUST_LOG, in the language of Rust's env_logger.
import { LOG_LEVELS, LOG_MODULES, type LogLevel } from "./log.ts";

/** The least severe level that is written, or none at all. */
export type LogThreshold = LogLevel | "off";

/** A threshold for a module and all below it; the module "" is everything. */
export interface LogRule {
  /** Segments joined by dots: `proxy.server`. */
  readonly module: string;
  readonly threshold: LogThreshold;
}

/** The rules of one environment. Plain data: it crosses threads. */
export type LogFilter = readonly LogRule[];

/** A filter, and a line for each part of it that says nothing known and is ignored. */
export interface ParsedLogFilter {
  readonly filter: LogFilter;
  readonly warnings: readonly string[];
}

/** What holds where no rule does. */
const DEFAULT_THRESHOLD: LogThreshold = "info";

/** The root of all targets: how linkerd-tcp 0.1, a Rust program, called its modules. */
const ROOT = "linkerd_tcp";

const THRESHOLDS: ReadonlySet<string> = new Set<LogThreshold>([...LOG_LEVELS, "off"]);

/** The candidate that a mistyped word was meant to be, if any. */
type Suggest = (word: string, candidates: readonly string[]) => string | undefined;

/** Reads `LINKERD_TCP_LOG` or, where that is missing or empty, `RUST_LOG`. Also warns of modules that do not exist. */
export function logFilterFromEnv(
  env: Readonly<Record<string, string | undefined>>,
  suggest: Suggest,
): ParsedLogFilter {
  for (const name of ["LINKERD_TCP_LOG", "RUST_LOG"]) {
    const text = env[name]?.trim();
    if (text === undefined || text === "") continue;
    const { filter, warnings } = parseLogFilter(text);
    // RUST_LOG may hold what is meant for other programs.
    const unknown = name === "RUST_LOG" ? [] : unknownModules(filter, suggest);
    return {
      filter,
      warnings: [...warnings, ...unknown].map((warning) => `${name}: ${warning}`),
    };
  }
  return { filter: [], warnings: [] };
}

function unknownModules(filter: LogFilter, suggest: Suggest): readonly string[] {
  const unknown = filter.filter(
    ({ module }) => !LOG_MODULES.some((known) => covers(module, known)),
  );
  return unknown.map(({ module }) => {
    const meant = suggest(module, LOG_MODULES);
    const hint =
      meant === undefined ? `; there are ${LOG_MODULES.join(", ")}` : `; did you mean ${meant}?`;
    return `there is no module ${module}${hint}`;
  });
}

/**
 * Reads directives separated by commas: a level (for everything), `target=level`, or `linkerd_tcp::a` alone (all its
 * levels). The target `linkerd_tcp` is everything; `linkerd_tcp::a::b`, `a::b` and `a.b` are the module `a.b`. Levels
 * are error, warn, info, debug, trace and off, in any case. Never throws.
 */
export function parseLogFilter(text: string): ParsedLogFilter {
  const warnings: string[] = [];
  const filter: LogRule[] = [];
  // env_logger takes what follows a slash as a pattern for messages.
  const [directives = "", ...pattern] = text.split("/");
  if (pattern.length > 0) warnings.push("patterns for messages (after a slash) are not supported");
  for (const directive of directives.split(",").map((part) => part.trim())) {
    if (directive === "") continue;
    const rule = parseDirective(directive);
    if (rule === undefined) warnings.push(`unknown directive ${JSON.stringify(directive)}`);
    else filter.push(rule);
  }
  return { filter, warnings };
}

/** The threshold of a module: that of the longest rule that covers it, of equal ones the last. */
export function thresholdOf(filter: LogFilter, module: string): LogThreshold {
  let best: LogRule | undefined;
  for (const rule of filter) {
    if (!covers(rule.module, module)) continue;
    if (best === undefined || rule.module.length >= best.module.length) best = rule;
  }
  return best?.threshold ?? DEFAULT_THRESHOLD;
}

function parseDirective(directive: string): LogRule | undefined {
  const equals = directive.indexOf("=");
  if (equals >= 0) {
    const module = moduleOf(directive.slice(0, equals).trim());
    const threshold = thresholdNamed(directive.slice(equals + 1).trim());
    return module === undefined || threshold === undefined ? undefined : { module, threshold };
  }
  const threshold = thresholdNamed(directive);
  if (threshold !== undefined) return { module: "", threshold };
  // Another bare word is more likely a level with a typing error than a target.
  const module = directive.startsWith(ROOT) ? moduleOf(directive) : undefined;
  return module === undefined ? undefined : { module, threshold: "trace" };
}

function thresholdNamed(text: string): LogThreshold | undefined {
  const name = text.toLowerCase();
  return THRESHOLDS.has(name) ? (name as LogThreshold) : undefined;
}

function moduleOf(target: string): string | undefined {
  const segments = target.split(/::|\./);
  if (!segments.every((segment) => /^[\w-]+$/.test(segment))) return undefined;
  return (segments[0] === ROOT ? segments.slice(1) : segments).join(".");
}

function covers(rule: string, module: string): boolean {
  return rule === "" || module === rule || module.startsWith(`${rule}.`);
}
