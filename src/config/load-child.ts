// The entry of the process that loads a configuration and answers on standard output. See load-in-child.ts.
import { serialize } from "bun:jsc";
import { read } from "node:fs";
import { loadConfig } from "./load.ts";

/** A pipe whose other end the parent holds for as long as it lives. */
const LIFELINE = 3;

// By a signal: that works whatever file a thread is waiting for.
read(LIFELINE, new Uint8Array(1), 0, 1, null, () => process.kill(process.pid, "SIGKILL"));

const [path = ""] = process.argv.slice(2);
// JavaScript's own format rather than JSON: limits may be infinite.
await Bun.write(Bun.stdout, serialize(await loadConfig(path)));
// The lifeline is still being read.
process.exit(0);
