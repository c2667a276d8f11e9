// The entry of the process that loads a configuration and answers on standard output. See load-in-child.ts.
import { serialize } from "bun:jsc";
import { answerAndEnd } from "./child.ts";
import { loadConfig } from "./load.ts";

const [path = ""] = process.argv.slice(2);
// JavaScript's own format rather than JSON: limits may be infinite.
await answerAndEnd(async () => serialize(await loadConfig(path)));
