// Runs what the command line asks for. What a running proxy does without is loaded by the command that needs it
// (docs/internals/memory.md): the arguments' parser alone takes 1 MB.
import { statSync } from "node:fs";
import { VERSION } from "../app/version.ts";
import type { FileSystemView } from "./args.ts";
import { EXIT } from "./exit-codes.ts";
import { systemOutput as output } from "./output.ts";
import { PROGRAM } from "./program.ts";
import { run, runQuick } from "./run.ts";

/** Reads the arguments after the program's name and runs the command. Resolves with the exit code. */
export async function runCli(argv: readonly string[]): Promise<number> {
  const file = onlyFile(argv, FILES);
  if (file !== undefined) return await run(file, output);
  const { parseArgs } = await import("./args.ts");
  const command = parseArgs(argv, FILES);
  switch (command.command) {
    case "run":
      return await run(command.path, output);
    case "quick":
      return await runQuick(command, output);
    case "check": {
      const { check } = await import("./check.ts");
      return await check(command.path, output);
    }
    case "namerd": {
      const { checkNamerd, runNamerd } = await import("./namerd.ts");
      const { path } = command;
      if (command.check && path !== undefined) return await checkNamerd(path, output);
      return await runNamerd(path, output);
    }
    case "dtab": {
      const { dtab } = await import("./dtab.ts");
      return await dtab(command, output);
    }
    case "ctl": {
      const { ctl } = await import("./ctl.ts");
      return await ctl(command, output);
    }
    case "demo": {
      const { demo } = await import("./demo.ts");
      return await demo(output);
    }
    case "help": {
      const { helpText } = await import("./help.ts");
      output.out(helpText(command.topic));
      return EXIT.ok;
    }
    case "version":
      output.out(`${PROGRAM} ${VERSION}\n`);
      return EXIT.ok;
    case "usage-error":
      output.err(`${command.message}\n`);
      return EXIT.usage;
    default:
      return command satisfies never;
  }
}

/** The file that is the only argument, and cannot be anything else: commands are letters. */
export function onlyFile(argv: readonly string[], files: FileSystemView): string | undefined {
  const [first = ""] = argv;
  if (argv.length !== 1 || /^(-|[a-z]*$)/.test(first)) return undefined;
  return files.isFile(first) ? first : undefined;
}

const FILES: FileSystemView = {
  isFile: (path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === false,
  isDirectory: (path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true,
};
