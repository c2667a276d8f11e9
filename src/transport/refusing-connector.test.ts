import { expect, test } from "bun:test";
import { connectTarget } from "./connector.ts";
import { RefusingConnector } from "./refusing-connector.ts";

test("a refusing connector says why, after it has been asked, unless it is told to stop", async () => {
  const connector = new RefusingConnector("no name");
  const told: string[] = [];
  const observer = {
    onConnected() {},
    onConnectFailed: (failure: string, detail: string) => told.push(`${failure}: ${detail}`),
  };
  const target = connectTarget("127.0.0.1", 1);
  connector.connect(target, observer);
  connector.connect(target, observer).abort();
  expect(told).toEqual([]);
  await Promise.resolve();
  expect(told).toEqual(["tls: no name"]);
});
