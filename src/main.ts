// argv in, exit code out.
import { exitProcess } from "./app/exit.ts";
import { runCli } from "./cli/cli.ts";

exitProcess(await runCli(process.argv.slice(2)));
