// Credentials: a private authority, and a token, both in files that are replaced while we run.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { issue, makeCa } from "../../../test/support/certs.ts";
import { KubernetesScene } from "../../../test/support/kubernetes-scene.ts";
import { REQUEST_TIMEOUT_MS } from "./k8s-request.ts";

let dir: string;
let tokenPath: string;
let caPath: string;
let scene: KubernetesScene | undefined;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "k8s-"));
  tokenPath = join(dir, "token");
  caPath = join(dir, "ca.crt");
});

afterEach(() => {
  expect(scene?.stop()).toBe(0);
  rmSync(dir, { recursive: true });
});

/** Replaces a file as the kubelet does it: in one step. */
function replace(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

function start(...args: ConstructorParameters<typeof KubernetesScene>): KubernetesScene {
  scene = new KubernetesScene(...args);
  scene.slice("web-a", ["10.0.0.1"]);
  return scene;
}

describe("over TLS, with a token", () => {
  test("follows through a rotation of both", async () => {
    const [ca, nextCa] = [await makeCa("one"), await makeCa("two")];
    const server = await issue(ca, { ips: ["127.0.0.1"] });
    replace(caPath, ca.certPem);
    replace(tokenPath, "token-1\n");
    const it = start({ tokenPath, caPath }, { tls: { cert: server.certPem, key: server.keyPem } });
    it.api.token = "token-1";
    const web = it.follow();
    await web.bound("10.0.0.1");
    await it.watching();

    it.api.token = "token-2";
    it.api.endWatches();
    await it.pass("a refusal", () => it.logged.some(({ level }) => level === "warn"));
    expect(it.logged[0]?.fields).toEqual({
      what: "the EndpointSlices of web in prod",
      cause: "Kubernetes refuses the token (HTTP status 401) for the EndpointSlices of web in prod",
      kept: true,
    });
    replace(tokenPath, "token-2\n");
    replace(caPath, `${nextCa.certPem}${ca.certPem}`);
    it.slice("web-a", ["10.0.0.2"]);
    await it.pass("the change", () => Bun.deepEquals(web.addresses, ["10.0.0.2:8080"]));
    expect(it.api.requests.at(-1)?.headers.get("authorization")).toBe("Bearer token-2");

    replace(caPath, nextCa.certPem);
    await it.watching();
    it.logged.length = 0;
    it.api.endWatches();
    await it.pass("a refusal", () => it.logged.some(({ level }) => level === "warn"));
    expect(it.logged[0]?.fields["cause"]).toMatch(/^cannot reach Kubernetes \(.*(LEAF|ISSUER)/);
    await web.reported("failed");
  });

  test("is refused with another authority, without a request", async () => {
    const [ca, other] = [await makeCa(), await makeCa("other")];
    const server = await issue(ca, { ips: ["127.0.0.1"] });
    replace(caPath, other.certPem);
    const it = start({ caPath }, { tls: { cert: server.certPem, key: server.keyPem } });
    const web = it.follow();
    await web.reported("failed");
    expect(it.api.requests).toEqual([]);
  });

  test("is refused for another name, without a request", async () => {
    const ca = await makeCa();
    const server = await issue(ca, { names: ["kubernetes.example"] });
    replace(caPath, ca.certPem);
    const it = start({ caPath }, { tls: { cert: server.certPem, key: server.keyPem } });
    const web = it.follow();
    await web.reported("failed");
    expect(it.api.requests).toEqual([]);
  });
});

describe("files that cannot be used", () => {
  const cases: readonly (readonly [string, () => void, () => string])[] = [
    ["no token file", () => {}, () => `cannot read ${tokenPath} (ENOENT)`],
    ["an empty one", () => replace(tokenPath, "\n"), () => `there is no token in ${tokenPath}`],
    [
      "one that would be two headers",
      () => replace(tokenPath, "a\r\nhost: b"),
      () => `there is no token in ${tokenPath}`,
    ],
  ];
  for (const [what, prepare, cause] of cases) {
    test(`${what}: nothing is asked`, async () => {
      prepare();
      const it = start({ tokenPath });
      const web = it.follow();
      await web.reported("failed");
      expect(web.last).toEqual({ state: "failed", cause: cause() });
      expect(it.api.requests).toEqual([]);
      replace(tokenPath, "good");
      await it.pass("an answer", () => web.last?.state === "bound");
    });
  }

  test("an authority that is none is not replaced by the system's", async () => {
    replace(caPath, "");
    const it = start({ baseUrl: "https://127.0.0.1:1", caPath });
    const web = it.follow();
    await web.reported("failed");
    expect(web.last).toEqual({ state: "failed", cause: `there is no certificate in ${caPath}` });
  });

  test("one that cannot be read to its end is given up in time", async () => {
    expect(Bun.spawnSync(["mkfifo", tokenPath]).exitCode).toBe(0);
    const it = start({ tokenPath });
    const web = it.follow();
    it.clock.advance(REQUEST_TIMEOUT_MS);
    await web.reported("failed");
    expect(web.last).toMatchObject({
      cause: "cannot read the files with the credentials for Kubernetes in time",
    });
    web.stop();
    // Whoever reads the pipe is let go: to open it for both does not wait for anybody.
    closeSync(openSync(tokenPath, "r+"));
  });
});
