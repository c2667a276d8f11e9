// Runs what the command line asks for.
import { statSync } from "node:fs";
import { VERSION } from "../app/version.ts";
import { type FileSystemView, parseArgs } from "./args.ts";
import { check, type Output } from "./check.ts";
import { EXIT } from "./exit-codes.ts";
import { helpText, PROGRAM } from "./help.ts";
import { run, runQuick } from "./run.ts";

/** Reads the arguments after the program's name and runs the command. Resolves with the exit code. */
export async function runCli(argv: readonly string[]): Promise<number> {
  const command = parseArgs(argv, FILES);
  switch (command.command) {
    case "run":
      return await run(command.path, OUTPUT);
    case "quick":
      return await runQuick(command, OUTPUT);
    case "check":
      return await check(command.path, OUTPUT);
    case "demo": {
      const { demo } = await import("./demo.ts");
      return await demo(OUTPUT);
    }
    case "help":
      OUTPUT.out(helpText(command.topic));
      return EXIT.ok;
    case "version":
      OUTPUT.out(`${PROGRAM} ${VERSION}\n`);
      return EXIT.ok;
    case "usage-error":
      OUTPUT.err(`${command.message}\n`);
      return EXIT.usage;
    default:
      return command satisfies never;
  }
}

const OUTPUT: Output = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
};

const FILES: FileSystemView = {
  isFile: (path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === false,
  isDirectory: (path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true,
};
