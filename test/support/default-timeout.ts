// How long a test may take that says nothing of it; loaded before all tests by bunfig.toml.
import { setDefaultTimeout } from "bun:test";

/**
 * The limit is for tests that hang, and shows nothing itself: what must be quick measures that. Bun's 5 s are over on a busy
 * machine before `until` (until.ts) can say what it has waited for, and soon for whoever tries a thousand inputs.
 */
setDefaultTimeout(60_000);
