// The namer `io.l5d.rewrite`: puts another path in the place of those that have a certain form.
import type { RewriteNamerConfig } from "../config/namer-types.ts";
import { PathMatcher, PathTemplate } from "../naming/path-matcher.ts";
import type { LookupTree, Outcome } from "../naming/tree.ts";
import type { FollowedStatus } from "./followed-names.ts";
import { type GuardedNamer, NEG, tell } from "./leaf-namer.ts";

const STATUS: FollowedStatus = {
  names: 0,
  failing: undefined,
  emptied: 0,
  silent: 0,
  oldestConfirmedSeconds: undefined,
};

/**
 * A path that begins as `pattern` has it becomes `name`, with what the pattern captured; the rest of the path is dropped, as
 * in linkerd. Any other path is `neg`, and so is one of which a segment would be left empty. It gives no ids.
 *
 * Throws TypeError where pattern or name are none, which the configuration has made sure of.
 */
export function rewriteNamer(config: RewriteNamerConfig): GuardedNamer {
  const pattern = PathMatcher.parse(config.pattern);
  if (!pattern.ok) throw new TypeError(`no pattern: ${pattern.message}`);
  const name = PathTemplate.parse(config.name);
  if (!name.ok) throw new TypeError(`no name: ${name.message}`);
  return {
    lookup(path, signal, report) {
      const captures = pattern.matcher.match(path);
      const rewritten = captures && name.template.fill(captures);
      if (rewritten === undefined) return tell(NEG, signal, report);
      const value = { kind: "path", path: rewritten } as const;
      const outcome: Outcome<LookupTree> = { state: "ok", value: { kind: "leaf", value } };
      tell(outcome, signal, report);
    },
    addresses: (_id, signal, report) => tell({ state: "neg" }, signal, report),
    status: () => STATUS,
  };
}
