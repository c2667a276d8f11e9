// Holds what the ends of a connection saw against what they must see.
import { type Case, type End, type EndName, TLS_MODES, type TlsMode } from "./script.ts";

/** What an end did and saw, as peer.py tells it. */
export interface Seen {
  readonly sent: number;
  readonly got: number;
  /** Where the first byte stood that was not what the other end sent; null when all were right. */
  readonly wrongAt: number | null;
  readonly ends: readonly string[];
  readonly refused: boolean;
  /** The step that failed, and how. */
  readonly problem: string | null;
}

export type Outcome = Readonly<Record<EndName, Seen>>;

/** How the outcome differs from what the case asks for: nothing, or a phrase for each difference. */
export function deviations({ parts }: Case, mode: TlsMode, outcome: Outcome): readonly string[] {
  return (["client", "endpoint"] as const).flatMap((name) => {
    const other = name === "client" ? "endpoint" : "client";
    const tls = TLS_MODES[mode][name];
    return [
      ...stepDeviations(outcome[name]),
      ...byteDeviations(parts[name].sees.gets, outcome[name], outcome[other].sent),
      ...endDeviations(parts[name].sees.ends ?? [], outcome[name].ends, tls),
      ...(parts[name].sees.refused === true && !outcome[name].refused
        ? ["was never refused when it sent"]
        : []),
    ].map((what) => `${name} ${what}`);
  });
}

function stepDeviations({ problem }: Seen): readonly string[] {
  return problem === null ? [] : [`could not go on: ${problem}`];
}

function byteDeviations(
  gets: "all" | "part" | "nothing",
  { got, wrongAt }: Seen,
  sent: number,
): readonly string[] {
  const wrong = wrongAt === null ? [] : [`got a wrong byte at ${wrongAt}`];
  if (gets === "all" && got !== sent) return [...wrong, `got ${got} of ${sent} bytes`];
  if (gets === "part" && got > sent) return [...wrong, `got ${got} bytes of ${sent}`];
  if (gets === "nothing" && got > 0) return [...wrong, `got ${got} bytes unasked`];
  return wrong;
}

function endDeviations(
  expected: readonly (End | readonly End[])[],
  seen: readonly string[],
  tls: boolean,
): readonly string[] {
  const fits = (at: number): boolean => {
    const wanted = expected[at];
    const allowed = typeof wanted === "string" ? [wanted] : (wanted ?? []);
    return allowed.some((end) => matches(end, seen[at], tls));
  };
  if (expected.length === 0) return [];
  if (seen.length === expected.length && expected.every((_, at) => fits(at))) return [];
  const shown = seen.map((end) => SHOWN[end] ?? end).join(", then ");
  const wanted = expected.map((end) => [end].flat().join(" or ")).join(", then ");
  return [`saw ${shown === "" ? "no end" : shown} instead of ${wanted}`];
}

const SHOWN: Readonly<Record<string, string>> = {
  end: "a good end",
  fin: "a FIN without close_notify",
  reset: "a reset",
  open: "no end within 8 s",
};

function matches(wanted: End, seen: string | undefined, tls: boolean): boolean {
  if (wanted !== "abort") return seen === wanted;
  return seen === "reset" || (tls && seen === "fin");
}
