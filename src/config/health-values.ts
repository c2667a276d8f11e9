// Values of health checks as they are written in a file.
import type { StatusRange } from "./health-types.ts";

/** What stands between slashes; undefined when the text is no pattern. */
export function slashedPattern(
  text: string,
): { readonly source: string; readonly ignoreCase: boolean } | undefined {
  const [, source, flag] = /^\/(.*)\/(i?)$/s.exec(text) ?? [];
  return source === undefined ? undefined : { source, ignoreCase: flag === "i" };
}

/** `200`, `2xx` or `200-399`; undefined when it is none of these. */
export function statusRange(text: string): StatusRange | undefined {
  const [, hundred] = /^([1-5])xx$/i.exec(text) ?? [];
  if (hundred !== undefined) return { from: Number(hundred) * 100, to: Number(hundred) * 100 + 99 };
  const [, low, high = low] = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(text) ?? [];
  if (low === undefined || high === undefined || Number(high) < Number(low)) return undefined;
  return { from: Number(low), to: Number(high) };
}
