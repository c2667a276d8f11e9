// The entry of the process that reads PEM files again: what it needs comes on standard input, the answer goes to standard
// output. See load-in-child.ts.
import { serialize } from "bun:jsc";
import { answerAndEnd } from "./child.ts";
import { readAgain } from "./read-again.ts";

await answerAndEnd(async () => serialize(readAgain(await Bun.stdin.bytes())));
