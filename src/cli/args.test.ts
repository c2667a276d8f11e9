import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Command, type FileSystemView, parseArgs } from "./args.ts";
import { COMMANDS, COMMON_OPTIONS } from "./help.ts";

const FILES: FileSystemView = {
  isFile: (path) => ["l5d.yml", "/etc/l5d", "/svc/file", "check.yml"].includes(path),
  isDirectory: (path) => ["/etc", "/svc", "demos"].includes(path),
};

function parse(line: string): Command {
  return parseArgs(line === "" ? [] : line.split(" "), FILES);
}

/** What is wrong, without the hint to the usage. */
function complaint(line: string): string {
  const command = parse(line);
  return command.command === "usage-error" ? (command.message.split("\n")[0] ?? "") : "";
}

const QUICK: Command = {
  command: "quick",
  listen: { ip: "0.0.0.0", port: 7575 },
  namerd: { host: "127.0.0.1", port: 4180 },
  admin: { ip: "127.0.0.1", port: 9989 },
  intervalSecs: 60,
  namespace: "default",
  windowKb: 64,
  target: "/svc/web",
  isGuess: false,
};

describe("a configuration file", () => {
  test.each([
    ["l5d.yml", "l5d.yml"],
    ["none.yml", "none.yml"],
    ["-", "-"],
    ["/etc/l5d", "/etc/l5d"],
    ["-- -odd", "-odd"],
  ])("%p runs %p", (line, path) => expect(parse(line)).toEqual({ command: "run", path }));

  test.each([
    ["check l5d.yml", "l5d.yml"],
    ["check -", "-"],
    ["check check", "check"],
  ])("%p checks %p", (line, path) => expect(parse(line)).toEqual({ command: "check", path }));
});

describe("the quick form", () => {
  test("has the defaults of 0.0.1", () => {
    expect(parse("-n 127.0.0.1:4180 /svc/web")).toEqual(QUICK);
  });

  test.each([
    "-l [::1]:0 -n namerd.example.com:1 -i 10 -N ns -w 8 -a 0.0.0.0:1 /svc/web",
    "/svc/web -l[::1]:0 -nnamerd.example.com:1 -i10 -Nns -w8 -a0.0.0.0:1",
    "--listen-addr [::1]:0 --namerd-addr=namerd.example.com:1 --namerd-interval 10 /svc/web --namerd-ns ns --window-size-kb=8 --admin-addr 0.0.0.0:1",
  ])("reads %p", (line) =>
    expect(parse(line)).toEqual({
      command: "quick",
      listen: { ip: "::1", port: 0 },
      namerd: { host: "namerd.example.com", port: 1 },
      admin: { ip: "0.0.0.0", port: 1 },
      intervalSecs: 10,
      namespace: "ns",
      windowKb: 8,
      target: "/svc/web",
      isGuess: false,
    }),
  );

  test.each([
    ["-l localhost:80 /a", "--listen-addr must be an IP address and a port, such as 0.0.0.0:7575"],
    ["-l 1.2.3.4 /a", "--listen-addr must be an IP address and a port, such as 0.0.0.0:7575"],
    ["-l 1.2.3.4:65536 /a", "--listen-addr must be an IP address and a port, such as 0.0.0.0:7575"],
    ["-l ::1:80 /a", "--listen-addr must be an IP address and a port, such as 0.0.0.0:7575"],
    ["-n namerd /a", "--namerd-addr must be a host and a port, such as 127.0.0.1:4180"],
    ["-n http://n:1 /a", "--namerd-addr must be a host and a port, such as 127.0.0.1:4180"],
    ["-n n:0 /a", "--namerd-addr must be a host and a port, such as 127.0.0.1:4180"],
    ["-a x:1 /a", "--admin-addr must be an IP address and a port, such as 127.0.0.1:9989"],
    ["-i 0 /a", "--namerd-interval must be a whole number, 1 or more, such as 60"],
    ["-i 1.5 /a", "--namerd-interval must be a whole number, 1 or more, such as 60"],
    ["-w many /a", "--window-size-kb must be a whole number, 1 or more, such as 64"],
    ["-i 5 svc/web", "the target must be a name such as /svc/web, not svc/web"],
    ["-i 5 /svc/web/", "the target must be a name such as /svc/web, not /svc/web/"],
    ["-i 5 /etc/l5d", "/etc/l5d is a file; options are for a name, such as /svc/web, in its place"],
    ["-i", "--namerd-interval needs a value, SECS"],
    ["-i -n n:1 /a", "--namerd-interval needs a value, SECS"],
    ["--namerd-ns= /a", "--namerd-ns needs a value, NS"],
    ["-i 5 -i 6 /a", "--namerd-interval is given more than once"],
    ["-i 5", "the target is missing, a name such as /svc/web"],
    ["-n 127.0.0.1:4180", "the target is missing, a name such as /svc/web"],
  ])("refuses %p", (line, message) => expect(complaint(line)).toBe(`linkerd-tcp: ${message}`));
});

describe("an operand without options", () => {
  test.each(["/svc/web", "/$/inet/127.1/80", "/#/io.l5d.fs/web"])("%p is a name", (line) =>
    expect(parse(line)).toEqual({ ...QUICK, target: line, isGuess: true } as Command),
  );

  test.each(["/svc/file", "/svc/web.yml", "/svc/web/", "/etc/missing", "/config/l5d", "/config"])(
    "%p is a file",
    (line) => expect(parse(line)).toEqual({ command: "run", path: line }),
  );
});

describe("a slip", () => {
  test.each([
    ["", "a configuration file is missing"],
    ["check", "check needs a configuration file"],
    ["check a b", "unexpected b after check"],
    ["demo now", "unexpected now after demo"],
    ["chekc l5d.yml", "unknown command chekc; did you mean check?"],
    ["chekc", "there is no file chekc; did you mean the command check?"],
    ["l5d.yml other.yml", "unexpected other.yml after l5d.yml"],
    ["--hlep", "unknown option --hlep; did you mean --help?"],
    ["--lisen-addr 1.2.3.4:5 /a", "unknown option --lisen-addr; did you mean --listen-addr?"],
    ["--zzzzzz", "unknown option --zzzzzz"],
    ["-x", "unknown option -x"],
    ["check -i 5 l5d.yml", "--namerd-interval does not go with check"],
  ])("%p is told", (line, message) => expect(complaint(line)).toBe(`linkerd-tcp: ${message}`));

  test("is shown the usage", () => {
    const command = parse("");
    expect(command.command === "usage-error" && command.message).toContain(
      "\n\nUsage: linkerd-tcp <PATH>\n",
    );
  });
});

describe("help and version", () => {
  test.each([
    ["-h", undefined],
    ["--help", undefined],
    ["check --help", "check"],
    ["-h demo", "demo"],
    ["l5d.yml -h", undefined],
  ])("%p is help", (line, topic) => expect(parse(line)).toEqual({ command: "help", topic }));

  test.each(["-V", "--version", "check -V"])("%p is the version", (line) =>
    expect(parse(line)).toEqual({ command: "version" }),
  );
});

test("parseArgs() gives a command for any words", () => {
  const options = [...COMMANDS.flatMap((command) => command.options), ...COMMON_OPTIONS];
  const known = options.flatMap(({ long, short }) => [`--${long}`, `-${short}`]);
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom(...known, "check", "demo", "-", "--", "/svc/a", "--="),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (argv) => {
      expect(parseArgs(argv, FILES)).toHaveProperty("command");
    }),
  );
});

describe("namerd", () => {
  test("runs with a file, with standard input, and without either", () => {
    const run = (path: string | undefined): Command => ({ command: "namerd", path, check: false });
    expect(parse("namerd")).toEqual(run(undefined));
    expect(parse("namerd namerd.yml")).toEqual(run("namerd.yml"));
    expect(parse("namerd -")).toEqual(run("-"));
    expect(parse("namerd -h")).toEqual({ command: "help", topic: "namerd" });
  });

  test("only checks a file where that is asked for", () => {
    const check: Command = { command: "namerd", path: "namerd.yml", check: true };
    expect(parse("namerd --check namerd.yml")).toEqual(check);
    expect(parse("namerd namerd.yml --check")).toEqual(check);
    expect(complaint("namerd --check")).toBe("linkerd-tcp: namerd needs a configuration file");
    expect(complaint("namerd a b")).toBe("linkerd-tcp: unexpected b after namerd");
    expect(complaint("l5d.yml --check")).toBe("linkerd-tcp: --check does not go with l5d.yml");
  });
});

describe("dtab", () => {
  const ask = (...words: readonly string[]) => parseArgs(["dtab", ...words], FILES);

  test("reads its actions and options", () => {
    const base = { command: "dtab", baseUrl: "http://127.0.0.1:4180", json: false } as const;
    expect(ask("list")).toEqual({ ...base, action: { action: "list" } });
    expect(ask("get")).toEqual({ ...base, action: { action: "get", namespace: "default" } });
    expect(ask("get", "-N", "web")).toEqual({
      ...base,
      action: { action: "get", namespace: "web" },
    });
    expect(ask("put", "web", "-", "--if-version", "AQ==")).toEqual({
      ...base,
      action: { action: "put", namespace: "web", file: "-", version: "AQ==" },
    });
    expect(ask("delegate", "/svc/web", "--json", "-n", "[::1]:80")).toEqual({
      ...base,
      baseUrl: "http://[::1]:80",
      json: true,
      action: { action: "delegate", namespace: "default", path: "/svc/web" },
    });
  });

  test.each([
    [[], "dtab needs one of list, get, put, delete and delegate"],
    [["lst"], "dtab knows no lst; did you mean list?"],
    [["list", "x"], "unexpected x after dtab list"],
    [["put", "web"], "dtab put needs a namespace and a file"],
    [["put", "web", "a", "b"], "unexpected b after dtab put"],
    [["delete"], "dtab delete needs a namespace"],
    [["delegate", "svc"], "dtab delegate needs a path such as /svc/web"],
    [["get", "--if-version", "a"], "--if-version goes with put only"],
    [["get", "-n", "nowhere"], "--namerd-addr must be a host and a port"],
    [["get", "--if-version"], "--if-version needs a value, VERSION"],
  ])("refuses %p", (words, message) => {
    const command = ask(...words);
    expect(command.command === "usage-error" ? command.message : "").toContain(message);
  });
});
