// The command `ctl` as a table: help and reading go by it.
import type { CommandSpec, OptionSpec } from "./command-spec.ts";

/** All options of `ctl`; which action takes which stands below. */
export const CTL_OPTIONS = [
  {
    long: "admin-addr",
    short: "a",
    value: "ADDR",
    default: "127.0.0.1:9989",
    summary: "IP address and port of the admin server.",
  },
  { long: "id", value: "IDS", summary: "Connections of these ids, parted by commas." },
  { long: "server", value: "ADDR", summary: "Connections that this address has accepted." },
  { long: "router", value: "LABEL", summary: "Connections or endpoints of this router." },
  { long: "dst", value: "PATH", summary: "Connections or endpoints of this destination." },
  { long: "endpoint", value: "ADDR", summary: "Connections to this endpoint." },
  { long: "source", value: "CIDR", summary: "Connections of clients in this block of addresses." },
  { long: "min-age", value: "SECS", summary: "Connections that are at least this old." },
  { long: "min-idle", value: "SECS", summary: "Connections without a byte for this long." },
  { long: "min-bytes", value: "N", summary: "Connections that have moved at least so many." },
  { long: "max-bytes", value: "N", summary: "Connections that have moved no more than so many." },
  { long: "all", summary: "Kill or drain without any of these." },
  { long: "sort", value: "KEY", default: "age", summary: "By age, idle or bytes." },
  { long: "limit", value: "N", default: "100", summary: "Show no more than so many." },
  { long: "window", value: "SECS", summary: "Drain over this time." },
  { long: "max-per-sec", value: "N", summary: "Drain no more than so many a second." },
  { long: "deadline", value: "SECS", summary: "Reset what is left of a drain after this time." },
  { long: "stop-new", summary: "Disable the endpoint, or close the server, that is drained." },
  { long: "for", value: "SECS", summary: "Forget the override after this time." },
  { long: "json", summary: "Print JSON, one document." },
] as const satisfies readonly OptionSpec[];

export type CtlOption = (typeof CTL_OPTIONS)[number]["long"];

const FILTER = [
  "id",
  "server",
  "router",
  "dst",
  "endpoint",
  "source",
  "min-age",
  "min-idle",
  "min-bytes",
  "max-bytes",
] as const satisfies readonly CtlOption[];

const WHERE = ["dst", "router", "for"] as const satisfies readonly CtlOption[];

/** What `ctl` can be asked for. */
export const CTL_ACTIONS: readonly {
  readonly word: string;
  readonly operands: string;
  readonly summary: string;
  readonly options: readonly CtlOption[];
}[] = [
  {
    word: "connections",
    operands: "",
    summary: "The connections that are open, or those that fit the options.",
    options: [...FILTER, "sort", "limit"],
  },
  {
    word: "kill",
    operands: " [<ID>...]",
    summary: "Reset connections: of these ids, or those that fit the options.",
    options: [...FILTER, "all"],
  },
  {
    word: "drain",
    operands: "",
    summary: "End connections one after the other: those that fit the options.",
    options: [...FILTER, "all", "window", "max-per-sec", "deadline", "stop-new"],
  },
  {
    word: "weight",
    operands: " <ENDPOINT> <WEIGHT>",
    summary: "Give an endpoint another weight than its name does; default takes that back.",
    options: WHERE,
  },
  {
    word: "disable",
    operands: " <ENDPOINT>",
    summary: "Give an endpoint no new connections.",
    options: WHERE,
  },
  { word: "enable", operands: " <ENDPOINT>", summary: "Take that back.", options: WHERE },
  { word: "overrides", operands: "", summary: "What is disabled or weighed here.", options: [] },
  { word: "status", operands: "", summary: "The state of the proxy, as JSON.", options: [] },
  {
    word: "plan",
    operands: "",
    summary: "What a reload would change, or what is wrong with the file.",
    options: [],
  },
  { word: "reload", operands: "", summary: "Load the configuration file anew.", options: [] },
  {
    word: "upgrade",
    operands: "",
    summary: "Start a new process that takes over, and let this one drain.",
    options: [],
  },
];

/** For the table of commands. */
export const CTL_COMMAND: CommandSpec = {
  name: "ctl",
  usage: "ctl [OPTIONS] <ACTION>",
  summary: "Look into a running proxy, and change what it does.",
  details: [],
  operands: [],
  actions: CTL_ACTIONS.map(({ word, operands, summary }) => ({
    name: `${word}${operands}`,
    summary,
  })),
  options: CTL_OPTIONS,
};
