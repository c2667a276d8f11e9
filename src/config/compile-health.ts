// The health checks of the configuration: defaults by kind, password files, and what does not go together.
import { parseByteText } from "../lib/byte-text.ts";
import { clientFor } from "./client-for.ts";
import type { TlsCompiler } from "./compile-tls.ts";
import { DEFAULTS } from "./defaults.ts";
import { checkSecurity } from "./health-check.ts";
import type { CheckKind, Expectation, HealthCheckConfig } from "./health-types.ts";
import { slashedPattern, statusRange } from "./health-values.ts";
import type { ConfigPath, ProblemList } from "./problems.ts";
import { pathsOfAll } from "./route-paths.ts";
import type { FileConnector } from "./schema.ts";
import { resolvePath, type Surroundings, whyUnreadable } from "./surroundings.ts";
import type { RouterConfig } from "./types.ts";

type FileHealthCheck = NonNullable<FileConnector["healthCheck"]>;

export class HealthCompiler {
  readonly #around: Surroundings;
  readonly #tls: TlsCompiler;
  readonly #problems: ProblemList;

  constructor(around: Surroundings, tls: TlsCompiler, problems: ProblemList) {
    this.#around = around;
    this.#tls = tls;
    this.#problems = problems;
  }

  /** `captured`: the names of the captures of the rule's prefix. */
  healthCheck(
    file: FileHealthCheck,
    captured: readonly string[],
    path: ConfigPath,
  ): HealthCheckConfig {
    const D = DEFAULTS.healthCheck;
    const isRole = "role" in file && file.role !== "any";
    const { intervalMs, timeoutMs, fall, port, tls } = file;
    const { rise = isRole ? D.roleRise : D.rise } = file;
    const { initially = isRole ? "unhealthy" : "healthy" } = file;
    const { onUnhealthy = isRole ? "cut" : "keep" } = file;
    return {
      check: this.#check(file, path),
      intervalMs,
      timeoutMs,
      rise,
      fall,
      port: port === 0 ? undefined : port,
      initially,
      onUnhealthy,
      tls:
        tls === undefined || tls === "none"
          ? tls
          : this.#tls.client(tls, captured, [...path, "tls"]),
    };
  }

  #check(file: FileHealthCheck, path: ConfigPath): CheckKind {
    switch (file.kind) {
      case "tcp":
      case "tls":
        return { kind: file.kind };
      case "exchange":
        return {
          kind: file.kind,
          send: file.send === undefined ? undefined : bytesOf(file.send),
          expect: expectationOf(file.expect),
        };
      case "http": {
        const { kind, path: asked, host, expectStatus } = file;
        const ranges = expectStatus.flatMap((codes) => statusRange(String(codes)) ?? []);
        return { kind, path: asked, host, expectStatus: ranges };
      }
      case "postgres": {
        const { kind, role, user, database } = file;
        return { kind, role, user, database, password: this.#password(file, path) };
      }
      case "redis": {
        const { kind, role, user } = file;
        if (user !== undefined && file.passwordFile === undefined) {
          this.#problems.lacking(path, "a Redis user logs in with a password: give passwordFile");
        }
        return { kind, role, user, password: this.#password(file, path) };
      }
      default:
        return file satisfies never;
    }
  }

  #password(
    { passwordFile }: { readonly passwordFile?: string | undefined },
    path: ConfigPath,
  ): string | undefined {
    if (passwordFile === undefined) return undefined;
    const at = [...path, "passwordFile"];
    let text: string;
    try {
      text = this.#around.readFile(resolvePath(this.#around, passwordFile));
    } catch (error) {
      this.#problems.error(at, `${passwordFile}: ${whyUnreadable(error)}`);
      return undefined;
    }
    const password = text.replace(/\r?\n$/, "");
    if (password === "" || /[\0\n\r]/.test(password)) {
      const found = password === "" ? "it is empty" : "it has several lines, or is no text";
      this.#problems.error(at, `${passwordFile}: expected a password in one line, and ${found}`);
      return undefined;
    }
    return password;
  }
}

/** TLS is checked by name, which only the configuration knows. */
export function checkHealthChecks(
  { servers, client }: RouterConfig,
  path: ConfigPath,
  problems: ProblemList,
): void {
  for (const dstName of pathsOfAll(servers)) {
    const settings = clientFor(client, dstName);
    const { healthCheck } = settings;
    if (healthCheck?.check.kind !== "tls") continue;
    if (checkSecurity(healthCheck, settings).tls !== undefined) continue;
    const message = `the healthCheck of kind tls needs a name to verify for ${dstName}: give healthCheck.tls`;
    problems.error([...path, "client"], message);
  }
}

function expectationOf(text: string): Expectation {
  const pattern = slashedPattern(text);
  return pattern === undefined
    ? { kind: "prefix", bytes: bytesOf(text) }
    : { kind: "pattern", ...pattern };
}

/** The schema has looked at the text. */
function bytesOf(text: string): Uint8Array {
  const parsed = parseByteText(text);
  return parsed.ok ? parsed.bytes : new Uint8Array(0);
}
