import { describe, expect, test } from "bun:test";
import { configFrom, loadConfigText, problemsIn } from "../../test/support/config-text.ts";
import { formatProblem } from "./problems.ts";

const ROUTER = `{label: a, dtab: "/svc => /#/x", servers: [{port: 1, dstName: /svc/a}]}`;

/** A file with these namers, in YAML flow style. */
function file(...namers: readonly string[]): string {
  return `namers: [${namers.join(", ")}]\nrouters: [${ROUTER}]\n`;
}

function namer(text: string): unknown {
  return configFrom(file(text)).namers[0];
}

describe("namers", () => {
  test("have the defaults of linkerd", () => {
    expect(namer("{kind: io.l5d.fs, rootDir: /disco}")).toEqual({
      kind: "io.l5d.fs",
      prefix: "/io.l5d.fs",
      rootDir: "/disco",
    });
    expect(namer("{kind: io.l5d.dnssrv}")).toEqual({
      kind: "io.l5d.dnssrv",
      prefix: "/io.l5d.dnssrv",
      refreshIntervalMs: 5_000,
      dnsHosts: [],
    });
    expect(namer("{kind: io.l5d.consul}")).toMatchObject({
      baseUrl: "http://localhost:8500",
      includeTag: false,
      healthStatuses: ["passing"],
      preferServiceAddress: true,
      tls: undefined,
    });
    expect(namer("{kind: io.l5d.etcd}")).toMatchObject({
      baseUrls: ["http://localhost:2379"],
      pathPrefix: "/services",
    });
    expect(namer("{kind: io.l5d.k8s}")).toMatchObject({
      baseUrl: "http://localhost:8001",
      tokenPath: undefined,
      caPath: undefined,
    });
  });

  test("of a cluster know it from the environment, unless they name a host", () => {
    const environment = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "6443" };
    const load = (text: string) => {
      const result = loadConfigText(file(text), {}, environment);
      return result.ok ? result.config.namers[0] : undefined;
    };
    expect(load("{kind: io.l5d.k8s}")).toMatchObject({
      baseUrl: "https://[fd00::1]:6443",
      tokenPath: "/var/run/secrets/kubernetes.io/serviceaccount/token",
      caPath: "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
    });
    expect(load("{kind: io.l5d.k8s, host: api}")).toMatchObject({
      baseUrl: "http://api:8001",
      tokenPath: undefined,
    });
  });

  test("of one namespace need its variable", () => {
    const text = file("{kind: io.l5d.k8s.ns}");
    expect(problemsIn(text)[0]).toContain(
      "namers[0].envVar: the environment variable POD_NAMESPACE, which names the namespace, is not set",
    );
    const result = loadConfigText(text, {}, { POD_NAMESPACE: "prod" });
    expect(result.ok && result.config.namers[0]).toMatchObject({ namespace: "prod" });
  });

  test.each([
    ["{kind: io.l5d.fs, rootDir: /nowhere}", "rootDir: /nowhere: there is no such directory"],
    ["{kind: io.l5d.fs, rootDir: /disco, prefix: /}", "prefix: a prefix must not be empty"],
    ["{kind: io.l5d.fs, rootdir: /disco}", 'rootdir: unknown key; did you mean "rootDir"?'],
    [
      "{kind: io.l5d.rewrite, prefix: /r, pattern: '/{a', name: /b}",
      "pattern: expected a pattern such as /{service}/api",
    ],
    [
      "{kind: io.l5d.rewrite, prefix: /r, pattern: '/{a}', name: '/{b}'}",
      "name: {b} is not among the captures of the pattern",
    ],
    ["{kind: io.l5d.dnssrv, dnsHosts: [ns1]}", "dnsHosts[0]: expected an IP address"],
    [
      "{kind: io.l5d.consul, tls: {trustCertsBundle: ca.pem}}",
      "tls.trustCertsBundle: ca.pem: there is no such file",
    ],
    ["{kind: io.l5d.static, names: {web: [a:1]}}", "names.web: expected a path such as /svc/web"],
    ["{kind: io.l5d.zk}", 'kind: expected one of "io.l5d.fs"'],
  ])("%s is refused", (text, problem) => {
    expect(problemsIn(file(text)).join("\n")).toContain(`namers[0].${problem}`);
  });

  test("keep their tokens out of what the admin port shows", () => {
    const result = loadConfigText(file("{kind: io.l5d.consul, token: s3cret}"));
    expect(result.ok && JSON.stringify(result.source)).not.toContain("s3cret");
  });
});

describe("dtabs", () => {
  test("are the interpreter when no other is given", () => {
    expect(configFrom(file()).routers[0]?.interpreter).toEqual({
      kind: "default",
      dtab: "/svc=>/#/x",
    });
  });

  test("are refused with line and column", () => {
    const text = `routers:
- label: a
  dtab: |
    /svc => /#/io.l5d.fs ;
    /host => /svc/^ ;
  servers: []
`;
    const [problem = ""] = problemsIn(text);
    expect(problem).toContain("routers[0].dtab");
    expect(problem).toContain("line 2, column 15");
  });

  test("beside another interpreter are an error", () => {
    const text = `routers: [{label: a, dtab: "/a=>/b", interpreter: {kind: io.l5d.fs, rootDir: /disco}, servers: []}]`;
    expect(problemsIn(text).join("\n")).toContain(
      "routers[0].dtab: only the interpreter default uses a dtab, and this one is io.l5d.fs",
    );
  });

  test("that name a namer nobody has configured are warned of", () => {
    const warnings = loadConfigText(file("{kind: io.l5d.fs, rootDir: /disco}"));
    expect(warnings.ok && warnings.warnings.map(formatProblem)).toEqual([
      expect.stringContaining(
        "routers[0].dtab: no namer knows /#/x; the namers here are /#/io.l5d.fs",
      ),
    ]);
  });
});
