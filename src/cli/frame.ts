// What a process that serves is given by those who started it, and how it was started: sockets, a process to take over
// from, and the command that starts the like of it.
import { readFileSync } from "node:fs";
import {
  HANDOVER_VARIABLE,
  handedOver,
  type PassedSocket,
  passedBySystemd,
  SYSTEMD_VARIABLES,
} from "../app/passed-sockets.ts";
import { Predecessor } from "../app/predecessor.ts";
import type { AppParts } from "../app/app.ts";
import { systemClock } from "../lib/clock.ts";
import type { Output } from "./output.ts";

/** `<pid>:<path>`, set by bin/linkerd-tcp: what the process with that id was started as. */
const LAUNCHER_VARIABLE = "LINKERD_TCP_LAUNCHER";

export interface Frame extends Pick<AppParts, "predecessor" | "restart"> {
  /** Listening sockets, not looked at yet. */
  readonly passed: readonly PassedSocket[];
}

/** Takes over what was passed; to be called once. `impossible` says why the program cannot be started anew. */
export function openFrame(impossible?: string): Frame {
  const { env, pid, ppid } = process;
  const handover = handedOver(env, ppid);
  const passed = handover?.sockets ?? passedBySystemd(env, pid);
  const predecessor = handover && new Predecessor(handover, systemClock);
  const restart = impossible === undefined ? restartOf() : { impossible };
  // Until there is something that could be replaced; left to the system, it would end the process.
  process.on("SIGUSR2", () => {});
  for (const name of [...SYSTEMD_VARIABLES, HANDOVER_VARIABLE, LAUNCHER_VARIABLE]) delete env[name];
  return { passed, predecessor, restart };
}

/** Runs `serve`, and tells the process that this one was to take over from when nothing came of it. */
export async function reportingTo(
  { predecessor }: Frame,
  output: Output,
  serve: (output: Output) => Promise<number>,
): Promise<number> {
  if (predecessor === undefined) return await serve(output);
  let said = "";
  const err = (text: string): void => {
    said += text;
    output.err(text);
  };
  try {
    const code = await serve({ ...output, err });
    if (code !== 0) predecessor.failed(said || `exit code ${code}`);
    return code;
  } catch (error) {
    predecessor.failed(error instanceof Error ? (error.stack ?? error.message) : String(error));
    throw error;
  }
}

/** Why a configuration cannot be read again; undefined when it can. */
export function unrepeatable(path: string): string | undefined {
  if (path !== "-" && !/^\/(dev\/(stdin|fd\/)|proc\/self\/fd\/)/.test(path)) return undefined;
  return "the configuration came from an open file such as standard input, which cannot be read again";
}

/** The command line of this process, by names that may lead to a newer program by now. */
function restartOf(): Frame["restart"] {
  const { env, pid, argv, execPath } = process;
  if (pid === 1)
    return {
      impossible: "this is process 1 of its container, which ends with it; start another one",
    };
  const launcher = env[LAUNCHER_VARIABLE] ?? "";
  const path = launcher.startsWith(`${pid}:`) ? launcher.slice(`${pid}:`.length) : "";
  if (path !== "") return { command: [path, ...argv.slice(2)] };
  const [program = "", ...args] = readFileSync("/proc/self/cmdline", "utf8").split("\0");
  // What ends the last argument begins none.
  args.pop();
  return { command: [program.includes("/") ? program : execPath, ...args] };
}
