// The command `ctl`: what an operator asks of a running proxy, over its admin port.
import type { AdminAnswer } from "./ctl-client.ts";
import { AdminClient, AdminError } from "./ctl-client.ts";
import { connectionLines, endingLine, overrideLines, planLines } from "./ctl-print.ts";
import { printable } from "./dtab-client.ts";
import { EXIT } from "./exit-codes.ts";
import { PROGRAM } from "./program.ts";
import type { Output } from "./output.ts";

/** What is asked for; `keys` are those of the admin port's requests. */
export type CtlAction =
  | { readonly action: "connections" | "kill" | "drain"; readonly keys: CtlKeys }
  | { readonly action: "override"; readonly keys: CtlKeys }
  | { readonly action: "overrides" | "status" | "reload" | "plan" | "upgrade" };

export type CtlKeys = Readonly<Record<string, string | boolean | null>>;

export interface CtlCommand {
  readonly baseUrl: string;
  readonly json: boolean;
  readonly action: CtlAction;
}

/** Runs the command; resolves with the exit code. */
export async function ctl(command: CtlCommand, output: Output): Promise<number> {
  try {
    const answer = await ask(new AdminClient(command.baseUrl), command.action);
    const text = command.json
      ? `${JSON.stringify(answer)}\n`
      : linesOf(command.action, answer)
          .map((line) => `${line}\n`)
          .join("");
    output.out(text);
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    output.err(`${PROGRAM}: ${error.message}\n`);
    return error.code === "UNREACHABLE" ? EXIT.unavailable : EXIT.refused;
  }
}

function ask(client: AdminClient, action: CtlAction): Promise<AdminAnswer> {
  switch (action.action) {
    case "connections":
      return client.get("/connections", action.keys);
    case "kill":
      return client.post("/connections/kill", action.keys);
    case "drain":
      return client.post("/connections/drain", action.keys);
    case "override":
      return client.post("/overrides", action.keys);
    case "overrides":
      return client.get("/overrides");
    case "status":
      return client.get("/status.json");
    case "plan":
      return client.post("/plan", {});
    case "reload":
    case "upgrade":
      return client.post(`/${action.action}`, {});
    default:
      return action satisfies never;
  }
}

function linesOf({ action }: CtlAction, answer: AdminAnswer): readonly string[] {
  switch (action) {
    case "connections":
      return connectionLines(answer);
    case "kill":
    case "drain":
      return [endingLine(answer)];
    case "override":
    case "overrides":
      return overrideLines(answer);
    case "reload":
    case "plan":
      return planLines(answer);
    case "upgrade":
      return [printable(String(answer))];
    case "status":
      return JSON.stringify(answer, null, 2).split("\n");
    default:
      return action satisfies never;
  }
}
