// Runs what the command line asks for.
import { statSync } from "node:fs";
import { VERSION } from "../app/version.ts";
import { type FileSystemView, parseArgs } from "./args.ts";
import { check } from "./check.ts";
import { EXIT } from "./exit-codes.ts";
import { helpText, PROGRAM } from "./help.ts";
import { systemOutput as output } from "./output.ts";
import { run, runQuick } from "./run.ts";

/** Reads the arguments after the program's name and runs the command. Resolves with the exit code. */
export async function runCli(argv: readonly string[]): Promise<number> {
  const command = parseArgs(argv, FILES);
  switch (command.command) {
    case "run":
      return await run(command.path, output);
    case "quick":
      return await runQuick(command, output);
    case "check":
      return await check(command.path, output);
    case "namerd": {
      // Loaded here, so that a running proxy holds none of it.
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
    case "help":
      output.out(helpText(command.topic));
      return EXIT.ok;
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

const FILES: FileSystemView = {
  isFile: (path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === false,
  isDirectory: (path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true,
};
