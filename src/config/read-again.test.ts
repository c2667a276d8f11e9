import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { $ } from "bun";
import { type Issued, issue, makeCa } from "../../test/support/certs.ts";
import { readAgainInChild } from "./load-in-child.ts";
import { loadConfig } from "./load.ts";
import type { LoadedMaterial } from "./load-result.ts";
import { readAgain } from "./read-again.ts";

const ca = await makeCa();
const [one, two, rsa] = await Promise.all([
  issue(ca, { names: ["web.test"] }),
  issue(ca, { names: ["web.test"] }),
  issue(ca, { names: ["web.test"], algorithm: "rsa" }),
]);
const SERVER = "routers[0].servers[0].tls";
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "linkerd-tcp-again-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, { certPem, keyPem }: Issued): void {
  writeFileSync(join(folder, `${name}.pem`), certPem);
  writeFileSync(join(folder, `${name}.key`), keyPem);
}

async function load(tls: unknown, rest: object = {}) {
  const server = { port: 1, dstName: "/svc/a", tls };
  const interpreter = { kind: "io.l5d.fs", rootDir: "." };
  const client = { kind: "io.l5d.global", tls: { dnsName: "a", trustCerts: ["ca.pem"] } };
  writeFileSync(join(folder, "ca.pem"), ca.certPem);
  const routers = [{ label: "a", interpreter, servers: [server], client, ...rest }];
  writeFileSync(join(folder, "config.yml"), JSON.stringify({ routers }));
  const result = await loadConfig(join(folder, "config.yml"));
  if (!result.ok || result.material === undefined) throw new Error(JSON.stringify(result));
  return { ...result, material: result.material };
}

/** In short what came of it. */
function again(material: LoadedMaterial) {
  const result = readAgain(material.again);
  if (!result.ok) throw new Error(result.problems.join("\n"));
  const { changed, refused } = result;
  return {
    result,
    changed: changed.map(({ unit, change }) => `${change} ${unit.replace(SERVER, "")}`),
    refused: refused.map(({ unit, problems }) => [unit.replace(SERVER, ""), ...problems]),
  };
}

const pair = (name: string) => ({ certs: [`${name}.pem`], privateKey: `${name}.key` });

test("readAgain() says that nothing has changed, and gives what the first reading gave", async () => {
  write("web", one);
  const loaded = await load({ defaultIdentity: pair("web") });
  const { result, changed, refused } = again(loaded.material);
  expect([changed, refused]).toEqual([[], []]);
  expect(result.config).toEqual(loaded.config);
  expect(result.fingerprint).toBe(loaded.fingerprint ?? "");
  expect(result.material).toEqual(loaded.material);
  expect(loaded.material.certificates.map(({ file, role, name }) => [file, role, name])).toEqual([
    ["web.pem", "server", "web.test"],
    ["ca.pem", "trust", "Test CA"],
  ]);
});

test("readAgain() keeps what is bad now, and takes what is good", async () => {
  for (const name of ["web", "other"]) write(name, one);
  const identities = { "web.test": pair("web"), "*.test": pair("other") };
  const { material, config } = await load({ identities });
  writeFileSync(join(folder, "web.key"), two.keyPem);
  write("other", two);
  writeFileSync(join(folder, "ca.pem"), "");
  const first = again(material);
  expect(first.changed).toEqual(['changed .identities["*.test"]']);
  expect(first.refused).toEqual([
    ['.identities["web.test"]', "web.key: it does not belong to the certificate in web.pem"],
    ["routers[0].client.tls.trustCerts", "ca.pem: it is empty"],
  ]);
  const [before, after] = [config, first.result.config].map(({ routers }) => routers[0]);
  expect(after?.client).toEqual(before?.client ?? []);
  const [kept, taken] = after?.servers[0]?.tls?.identities ?? [];
  const [was, replaced] = before?.servers[0]?.tls?.identities ?? [];
  expect(kept).toEqual(was as never);
  expect(taken).not.toEqual(replaced as never);
  // What was refused is read again the next time, against what is kept.
  write("web", two);
  writeFileSync(join(folder, "ca.pem"), ca.certPem);
  const second = again(first.result.material);
  expect(second.changed).toEqual(['changed .identities["web.test"]']);
  expect(second.refused).toEqual([]);
});

test("readAgain() takes nothing for something else, however long or odd the names", async () => {
  const long = (end: string): string => `${"long-name.".repeat(6)}${end}.test`;
  const names = [long("a"), long("b")];
  mkdirSync(join(folder, "certs"));
  for (const name of names) write(name, await issue(ca, { names: [name] }));
  for (const [index, name] of [...names, "-----a", "-----b"].entries())
    write(`certs/${name}`, await issue(ca, { names: [`${index}.test`] }));
  const identities = Object.fromEntries(names.map((name) => [name, pair(name)]));
  const { material, config } = await load({ identities, directories: ["certs"] });
  writeFileSync(join(folder, "ca.pem"), "");
  expect(again(material).result.config).toEqual(config);
});

test("readAgain() follows a directory: new pairs, pairs that go, and none that is bad", async () => {
  mkdirSync(join(folder, "certs"));
  write("certs/web", one);
  const { material } = await load({ directories: ["certs"] });
  write("certs/rsa", rsa);
  writeFileSync(join(folder, "certs/bad.pem"), "-----BEGIN");
  const first = again(material);
  expect(first.changed).toEqual(['added .directories[0]["rsa.pem"]']);
  expect(first.refused).toEqual([
    ['.directories[0]["bad.pem"]', "certs/bad.pem: it is not a PEM file"],
  ]);
  for (const name of ["web.pem", "web.key", "bad.pem"]) rmSync(join(folder, "certs", name));
  const second = again(first.result.material);
  expect([second.changed, second.refused]).toEqual([['removed .directories[0]["web.pem"]'], []]);
  rmSync(join(folder, "certs"), { recursive: true });
  const third = again(second.result.material);
  expect(third.changed).toEqual([]);
  expect(third.refused).toEqual([[".directories[0]", "certs: there is no such directory"]]);
  expect(third.result.config).toEqual(second.result.config);
});

test("readAgain() gives up nothing valid for what is not, and tells when that will be", async () => {
  write("web", one);
  const { material } = await load({ defaultIdentity: pair("web") });
  write("web", await issue(ca, { names: ["web.test"], days: -1 }));
  expect(again(material).refused[0]?.[1]).toStartWith(
    "web.pem: the certificate of web.test expired",
  );
  write("web", await issue(ca, { names: ["web.test"], fromDays: 2 }));
  const { result, changed, refused } = again(material);
  expect(changed).toEqual([]);
  expect(refused[0]?.[1]).toContain("is valid from");
  expect(result.refused[0]?.goodFromMs).toBeGreaterThan(Date.now() + 86_400_000);
});

test("readAgain() takes an expired certificate where the one before has expired too", async () => {
  write("web", await issue(ca, { names: ["web.test"], days: -2 }));
  const { material } = await load({ defaultIdentity: pair("web") });
  write("web", await issue(ca, { names: ["web.test"], days: -1 }));
  expect(again(material)).toMatchObject({ changed: ["changed .defaultIdentity"], refused: [] });
});

test("readAgain() does not wait for a pipe, and says nothing of it", async () => {
  write("web", one);
  await $`mkfifo ${join(folder, "piped.key")}`;
  writeFileSync(join(folder, "piped.pem"), one.certPem);
  const loading = load({ defaultIdentity: pair("web"), identities: { "web.test": pair("piped") } });
  await writeFile(join(folder, "piped.key"), one.keyPem);
  const { material } = await loading;
  write("web", two);
  expect(again(material)).toMatchObject({ changed: ["changed .defaultIdentity"], refused: [] });
});

test("readAgain() minds nothing but what comes from PEM files", async () => {
  write("web", one);
  mkdirSync(join(folder, "disco"));
  const interpreter = { kind: "io.l5d.fs", rootDir: "disco" };
  const { material } = await load({ defaultIdentity: pair("web") }, { interpreter });
  rmSync(join(folder, "disco"), { recursive: true });
  write("web", two);
  expect(again(material).changed).toEqual(["changed .defaultIdentity"]);
});

test("readAgainInChild() gives what readAgain() gives", async () => {
  write("web", one);
  const { material } = await load({ defaultIdentity: pair("web") });
  write("web", two);
  expect(await readAgainInChild(material.again)).toEqual(readAgain(material.again));
});

test("readAgain() refuses a second pair of one type, and holds up nothing else", async () => {
  for (const [type, changed] of [
    ["rsa", two],
    ["web", rsa],
  ] as const) {
    write("web", one);
    write("rsa", rsa);
    const { material, config } = await load({
      identities: { "web.test": [pair("web"), pair("rsa")] },
    });
    write(type, changed);
    writeFileSync(join(folder, "ca.pem"), (await makeCa("Another CA")).certPem);
    const found = again(material);
    expect(found.changed).toEqual(["changed routers[0].client.tls.trustCerts"]);
    expect(found.refused).toHaveLength(1);
    expect(found.result.config.routers[0]?.servers).toEqual(config.routers[0]?.servers ?? []);
  }
});
