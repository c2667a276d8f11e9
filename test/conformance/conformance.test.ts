// What a TCP proxy owes the two ends of a connection, of the built-in proxy: see cases.ts. docs/reference/conformance.md
// has the same of others.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { has } from "../support/peers/tools.ts";
import { conformanceRun, TRIALS } from "./run.ts";
import { OURS } from "./subjects.ts";

// Each trial waits for those before it.
setDefaultTimeout(120_000);

describe.skipIf(!has("python3"))("the two ends of a connection", () => {
  let run: ReturnType<typeof conformanceRun> | undefined;

  for (const trial of TRIALS) {
    test(`${trial.case.name} (${trial.mode})`, async () => {
      run ??= conformanceRun(OURS);
      expect(await run.verdicts.get(trial)).toEqual([]);
    });
  }
});
