// docs/reference/cli.md: the command line.
import type { OptionSpec } from "../../src/cli/command-spec.ts";
import { EXIT_CODES } from "../../src/cli/exit-codes.ts";
import { COMMANDS, COMMON_OPTIONS, ENVIRONMENT, optionSyntax } from "../../src/cli/help.ts";
import { PROGRAM } from "../../src/cli/program.ts";
import { code, GENERATED, page, table } from "./markdown.ts";

/** The page as Markdown. */
export function cliPage(): string {
  return page(
    GENERATED,
    "# Command line",
    ...COMMANDS.flatMap(({ usage, summary, details, operands, actions = [], options }) => [
      `## ${code(`${PROGRAM} ${usage}`)}`,
      summary,
      ...(details.length === 0 ? [] : [details.join("\n")]),
      ...(operands.length === 0
        ? []
        : [
            table(
              ["Operand", "Meaning"],
              operands.map(({ name, summary: says }) => [code(name), says]),
            ),
          ]),
      ...(actions.length === 0
        ? []
        : [
            table(
              ["Action", "Meaning"],
              actions.map(({ name, summary: says }) => [code(name), says]),
            ),
          ]),
      ...(options.length === 0 ? [] : [optionTable(options)]),
    ]),
    "## Options of every form",
    optionTable(COMMON_OPTIONS),
    "## Environment",
    table(
      ["Variable", "Meaning"],
      ENVIRONMENT.map(({ name, summary }) => [code(name), summary]),
    ),
    "## Exit codes",
    table(
      ["Code", "Meaning"],
      EXIT_CODES.map(({ code: number, meaning }) => [code(number), meaning]),
    ),
  );
}

function optionTable(options: readonly OptionSpec[]): string {
  const rows = options.map((option) => [
    code(optionSyntax(option).trim()),
    option.default === undefined ? "" : code(option.default),
    option.summary,
  ]);
  return table(["Option", "Default", "Meaning"], rows);
}
