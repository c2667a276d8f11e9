// Runs cases against a proxy, some at a time, and tells of each whether it passed.
import { CASES } from "./cases.ts";
import { deviations } from "./judge.ts";
import { Peers } from "./peers.ts";
import { type Case, MODES, TLS_MODES, type TlsMode } from "./script.ts";
import { makeScene, type Ports, type Subject } from "./subjects.ts";

/** Two cores serve both ends and the proxy; most cases wait for most of their time. */
const AT_A_TIME = 24;

/** A case in one way of speaking TLS. */
export interface Trial {
  readonly case: Case;
  readonly mode: TlsMode;
}

export const TRIALS: readonly Trial[] = CASES.flatMap((row) =>
  row.modes.map((mode) => ({ case: row, mode })),
);

/** What was wrong in a trial, in phrases: nothing when it passed. */
export type Verdict = readonly string[];

/** A run under way: a promise for each trial. Ends when all have settled. */
export interface ConformanceRun {
  readonly verdicts: ReadonlyMap<Trial, Promise<Verdict>>;
  readonly finished: Promise<void>;
}

/** Starts a proxy and all trials. */
export function conformanceRun(
  subject: Subject,
  trials: readonly Trial[] = TRIALS,
): ConformanceRun {
  const promised = new Map(trials.map((trial) => [trial, Promise.withResolvers<Verdict>()]));
  const settle = (trial: Trial, verdict: Verdict): void => promised.get(trial)?.resolve(verdict);
  const finished = runAll(subject, trials, settle);
  // A proxy that does not start fails every trial.
  finished.catch((error) => {
    for (const trial of trials) settle(trial, [String(error)]);
  });
  const verdicts = new Map([...promised].map(([trial, { promise }]) => [trial, promise]));
  return { verdicts, finished };
}

async function runAll(
  subject: Subject,
  trials: readonly Trial[],
  settle: (trial: Trial, verdict: Verdict) => void,
): Promise<void> {
  const scene = await makeScene();
  await using peers = new Peers(scene.trust);
  const listening = await Promise.all(
    MODES.map(async (mode) => {
      const tls = TLS_MODES[mode].endpoint ? scene.inner : undefined;
      return [mode, await peers.listen(tls)] as const;
    }),
  );
  const endpoints = Object.fromEntries(listening) as Ports;
  await using proxy = await subject.start(scene, endpoints);
  const left = [...trials];
  const next = async (): Promise<void> => {
    for (let trial = left.shift(); trial !== undefined; trial = left.shift()) {
      const { mode } = trial;
      const route = { proxy: proxy.ports[mode], endpoint: endpoints[mode], mode };
      const outcome = peers.run(trial.case, route).then(
        (seen) => deviations(trial.case, mode, seen),
        (error) => [`no connection: ${String(error)}`],
      );
      settle(trial, await outcome);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, next));
}
