// The command line as a table: --help and docs/reference/cli.md are printed from it, args.ts reads by it.
import type { CommandSpec, OptionSpec } from "./command-spec.ts";
import { CTL_COMMAND } from "./ctl-help.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { PROGRAM } from "./program.ts";

const CONFIG_PATH = {
  name: "<PATH>",
  summary: "Configuration file, YAML or JSON. - reads standard input.",
} as const;

/** Options of the quick form; any of them selects it. */
export const QUICK_OPTIONS = [
  {
    long: "listen-addr",
    short: "l",
    value: "ADDR",
    default: "0.0.0.0:7575",
    summary: "Accept connections on this IP address and port.",
  },
  {
    long: "namerd-addr",
    short: "n",
    value: "ADDR",
    default: "127.0.0.1:4180",
    summary: "Host and port of namerd's HTTP interface.",
  },
  {
    long: "namerd-interval",
    short: "i",
    value: "SECS",
    default: "60",
    summary: "Seconds between polls of namerd.",
  },
  {
    long: "namerd-ns",
    short: "N",
    value: "NS",
    default: "default",
    summary: "Namespace of namerd in which the target is resolved.",
  },
  {
    long: "window-size-kb",
    short: "w",
    value: "KB",
    default: "64",
    summary: "KiB of a client kept while its endpoint is connected.",
  },
  {
    long: "admin-addr",
    short: "a",
    value: "ADDR",
    default: "127.0.0.1:9989",
    summary: "IP address and port of the admin server.",
  },
] as const satisfies readonly OptionSpec[];

const [, NAMERD_ADDRESS, , NAMESPACE] = QUICK_OPTIONS;

/** Options of `dtab`. */
export const DTAB_OPTIONS = [
  NAMERD_ADDRESS,
  { ...NAMESPACE, summary: "Namespace of get and delegate." },
  {
    long: "if-version",
    value: "VERSION",
    summary: "Put only where the dtab still has this version, as get shows it.",
  },
  { long: "json", summary: "Print JSON, one document." },
] as const satisfies readonly OptionSpec[];

/** All forms of the command line. */
export const COMMANDS: readonly CommandSpec[] = [
  {
    usage: "<PATH>",
    summary: "Run with a configuration file.",
    details: [],
    operands: [CONFIG_PATH],
    options: [],
  },
  {
    usage: "[OPTIONS] <TARGET>",
    summary: "Run one server for one name, without a configuration file.",
    details: [
      "With any of these options the operand is a TARGET. Without them it is a PATH, unless it begins with",
      "/svc/, /$/ or /#/, has no extension such as .yml, and there is no file of that name.",
    ],
    operands: [
      { name: "<TARGET>", summary: "Name to be resolved through namerd, such as /svc/web." },
    ],
    options: QUICK_OPTIONS,
  },
  {
    name: "check",
    usage: "check <PATH>",
    summary: "Say what a configuration file would serve, or what is wrong with it.",
    details: [
      "Nothing is listened on. Every problem is printed, with its line. A file called check is run as ./check.",
    ],
    operands: [CONFIG_PATH],
    options: [],
  },
  {
    name: "namerd",
    usage: "namerd [<PATH>]",
    summary: "Run a namerd: dtabs and names, over its HTTP API.",
    details: [
      "Without a file it serves the names in the folder ./tmp.discovery, which it makes with an example, on port 4180.",
    ],
    operands: [CONFIG_PATH],
    options: [
      { long: "check", summary: "Only say what is wrong with the file, or that nothing is." },
    ],
  },
  {
    name: "dtab",
    usage: "dtab [OPTIONS] <ACTION>",
    summary: "Look at the dtabs of a namerd, and change them.",
    details: [],
    operands: [],
    actions: [
      { name: "list", summary: "The namespaces." },
      { name: "get [<NS>]", summary: "The dtab of a namespace, in a form that put reads." },
      { name: "put <NS> <FILE>", summary: "Create it, or replace it. - reads standard input." },
      { name: "delete <NS>", summary: "Delete it." },
      { name: "delegate <PATH>", summary: "Every step from a path to its addresses." },
    ],
    options: DTAB_OPTIONS,
  },
  CTL_COMMAND,
  {
    name: "demo",
    usage: "demo",
    summary: "Run an example: backends, names and the proxy, on local ports.",
    details: [],
    operands: [],
    options: [],
  },
];

/** Options of every form. */
export const COMMON_OPTIONS: readonly OptionSpec[] = [
  { long: "help", short: "h", summary: "Print this help." },
  { long: "version", short: "V", summary: "Print the version." },
];

/** Environment variables that are read. */
export const ENVIRONMENT: readonly { readonly name: string; readonly summary: string }[] = [
  {
    name: "LINKERD_TCP_LOG",
    summary: "What is logged to standard error, such as warn or linkerd_tcp::proxy=debug.",
  },
  { name: "RUST_LOG", summary: "The same, where LINKERD_TCP_LOG is not set." },
  { name: "NO_COLOR", summary: "Log without colours on a terminal." },
  {
    name: "LISTEN_FDS",
    summary: "Listening sockets of systemd, with LISTEN_PID and LISTEN_FDNAMES.",
  },
  { name: "NOTIFY_SOCKET", summary: "Where systemd is told of the start, upgrades and the end." },
  { name: "WATCHDOG_USEC", summary: "How often it is told, besides, that the process lives." },
];

/** The form that the word `name` selects. */
export function commandNamed(name: string | undefined): CommandSpec | undefined {
  return name === undefined ? undefined : COMMANDS.find((command) => command.name === name);
}

/** The text of --help; of one command when `topic` is its name. Ends with a newline. */
export function helpText(topic?: string): string {
  const command = commandNamed(topic);
  if (command !== undefined)
    return `${commandHelp(command)}\n${optionsHelp("OPTIONS", COMMON_OPTIONS)}`;
  const wordless = COMMANDS.filter(({ name, options }) => name === undefined && options.length > 0);
  const lines = [
    "A TCP and TLS load balancer for service meshes.",
    "",
    "USAGE:",
    ...table(COMMANDS.map(({ usage, summary }) => [`${PROGRAM} ${usage}`, summary])),
    "",
    ...section("OPERANDS", distinctOperands()),
    optionsHelp("OPTIONS", COMMON_OPTIONS),
    ...wordless.map(({ options }) => optionsHelp("OPTIONS WITH A TARGET", options)),
    ...wordless.flatMap(({ details }) => [...details.map((line) => `    ${line}`), ""]),
    ...COMMANDS.filter(({ name, options }) => name !== undefined && options.length > 0).map(
      ({ name, options }) => optionsHelp(`OPTIONS OF ${name}`, options),
    ),
    ...section(
      "ENVIRONMENT",
      ENVIRONMENT.map(({ name, summary }) => [name, summary]),
    ),
    ...section(
      "EXIT CODES",
      EXIT_CODES.map(({ code, meaning }) => [code, meaning.replaceAll("`", "")]),
    ),
  ];
  return `${lines.join("\n").trimEnd()}\n`;
}

/** `-l, --listen-addr <ADDR>`. */
export function optionSyntax({ long, short, value }: OptionSpec): string {
  const name = short === undefined ? `    --${long}` : `-${short}, --${long}`;
  return value === undefined ? name : `${name} <${value}>`;
}

/** The usage lines that an error of usage ends with. */
export function usageHint(): string {
  const lines = COMMANDS.map(
    ({ usage }, at) => `${at === 0 ? "Usage:" : "      "} ${PROGRAM} ${usage}`,
  );
  return [...lines, `More: ${PROGRAM} --help`].join("\n");
}

function commandHelp(command: CommandSpec): string {
  const lines = [
    command.summary,
    ...command.details,
    "",
    "USAGE:",
    `    ${PROGRAM} ${command.usage}`,
    "",
    ...section(
      "OPERANDS",
      command.operands.map(({ name, summary }) => [name, summary]),
    ),
    ...section(
      "ACTIONS",
      (command.actions ?? []).map(({ name, summary }) => [name, summary]),
    ),
  ];
  const options =
    command.options.length > 0 ? `\n${optionsHelp("COMMAND OPTIONS", command.options)}` : "";
  return `${lines.join("\n")}${options}`;
}

function distinctOperands(): readonly (readonly [string, string])[] {
  const operands = COMMANDS.flatMap((command) => command.operands);
  return [...new Map(operands.map(({ name, summary }) => [name, summary]))];
}

function optionsHelp(title: string, options: readonly OptionSpec[]): string {
  const rows = options.map(
    (option) =>
      [
        optionSyntax(option),
        option.default === undefined
          ? option.summary
          : `${option.summary} [default: ${option.default}]`,
      ] as const,
  );
  return section(title, rows).join("\n");
}

function section(title: string, rows: readonly (readonly [string, string])[]): readonly string[] {
  return rows.length === 0 ? [] : [`${title}:`, ...table(rows), ""];
}

function table(rows: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.max(...rows.map(([first]) => first.length));
  return rows.map(([first, second]) => `    ${first.padEnd(width)}  ${second}`);
}
