// Every file in examples/ is a configuration, of the proxy or of namerd, that loads without a warning.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import { loadNamerdConfig } from "../../src/config/load-namerd.ts";
import { issue, makeCa } from "../support/certs.ts";
import { makeCrl } from "../support/tls/crl.ts";

const EXAMPLES = join(import.meta.dir, "../../examples");
const FILES = readdirSync(EXAMPLES).filter((file) => /\.(ya?ml|json)$/.test(file));
const NAMERD_FILES = FILES.filter((file) => file.startsWith("namerd"));

describe("examples", () => {
  const folder = mkdtempSync(join(tmpdir(), "l5d-examples-"));

  beforeAll(async () => {
    cpSync(EXAMPLES, folder, { recursive: true });
    await writeCertificates(join(folder, "certs"));
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  test("there are some of YAML and of JSON", () => {
    expect(FILES.length).toBeGreaterThanOrEqual(11);
    expect(FILES.some((file) => file.endsWith(".json"))).toBe(true);
    expect(NAMERD_FILES).toContain("namerd.yml");
  });

  for (const file of FILES) {
    test(`${file} loads without a problem`, async () => {
      const load = NAMERD_FILES.includes(file) ? loadNamerdConfig : loadConfig;
      const result = await load(join(folder, file));
      expect(result).toMatchObject({ ok: true, warnings: [] });
    });
  }

  test("tls.yml keeps its chain in order and every identity", async () => {
    const result = await loadConfig(join(folder, "tls.yml"));
    const tls = result.ok ? result.config.routers[0]?.servers[0]?.tls : undefined;
    expect(tls?.identities.map(({ serverName }) => serverName)).toEqual([
      "web.example.com",
      "*.apps.example.com",
    ]);
    expect(
      tls?.defaultIdentity?.pairs[0]?.certificateChainPem.match(/BEGIN CERTIFICATE/g),
    ).toHaveLength(2);
  });
});

async function writeCertificates(folder: string): Promise<void> {
  mkdirSync(folder);
  const ca = await makeCa();
  writeFileSync(join(folder, "ca.pem"), ca.certPem);
  writeFileSync(join(folder, "ca.crl"), await makeCrl(ca, []));
  const names = {
    default: "default.example.com",
    web: "web.example.com",
    apps: "*.apps.example.com",
  };
  for (const [file, name] of Object.entries(names)) {
    const { certPem, keyPem } = await issue(ca, { names: [name] });
    writeFileSync(join(folder, `${file}.pem`), certPem);
    writeFileSync(join(folder, `${file}-key.pem`), keyPem);
  }
}
