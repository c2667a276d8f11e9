import { expect, test } from "bun:test";
import { configFrom } from "../../test/support/config-text.ts";
import { parseArgs } from "./args.ts";
import { quickConfig } from "./quick.ts";

const NO_FILES = { isFile: () => false, isDirectory: () => false };

test("quickConfig() is the configuration that its source would load as", () => {
  const words = "-l [::1]:7000 -n [::1]:4180 -i 10 -N ns -w 8 -a 0.0.0.0:1 /svc/web";
  const command = parseArgs(words.split(" "), NO_FILES);
  if (command.command !== "quick") throw new Error("not the quick form");
  const { config, source } = quickConfig(command);
  expect(config).toEqual(configFrom(JSON.stringify(source)));
  expect(config).toMatchObject({
    bufferSizeBytes: 8192,
    reloadOnChange: false,
    followCertificates: true,
    admin: { ip: "0.0.0.0", port: 1 },
    routers: [
      {
        interpreter: { baseUrl: "http://[::1]:4180", namespace: "ns", periodMs: 10_000 },
        servers: [{ ip: "::1", port: 7000, dstName: "/svc/web" }],
      },
    ],
  });
});
