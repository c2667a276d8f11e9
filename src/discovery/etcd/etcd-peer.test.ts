// The client and the watch against real etcd servers.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { issue, makeCa } from "../../../test/support/certs.ts";
import { EtcdScene } from "../../../test/support/etcd-scene.ts";
import { Etcd } from "../../../test/support/peers/etcd.ts";
import { has } from "../../../test/support/peers/tools.ts";
import { until } from "../../../test/support/until.ts";
import { systemClock } from "../../lib/clock.ts";
import type { EtcdMessage } from "./etcd-answer.ts";
import { EtcdClient, keysBelow } from "./etcd-client.ts";

const SLOW_MS = 60_000;
const never = new AbortController().signal;

describe.skipIf(!has("etcd") || !has("etcdctl"))("etcd", () => {
  let scene: EtcdScene;

  beforeEach(() => {
    scene = new EtcdScene();
  });

  afterEach(() => {
    expect(scene.stop()).toBe(0);
  });

  const becomes = (keys: string): Promise<void> => until(keys, () => scene.keys === keys);
  const comesBack = (keys: string): Promise<void> =>
    scene.passing(`it to come back with ${keys}`, () => scene.keys === keys);

  test(
    "answers reads, writes and guarded writes",
    async () => {
      await using etcd = await Etcd.start();
      const client = new EtcdClient({ baseUrls: etcd.baseUrls, tls: undefined }, systemClock);
      const guarded = async (value: string, modRevision: bigint): Promise<boolean | undefined> => {
        const result = await client.guardedPut({ key: "/a/x", value, modRevision }, never);
        return result.ok ? result.value.succeeded : undefined;
      };
      expect(await guarded("1", 5n)).toBe(false);
      expect(await guarded("1", 0n)).toBe(true);
      expect(await guarded("2", 0n)).toBe(false);
      expect(await guarded("é", 2n)).toBe(true);
      expect(await client.put("/b", "3", never)).toEqual({ ok: true, value: undefined });
      const [x] = [{ key: "/a/x", value: "é", modRevision: 3n }];
      expect(await client.range(keysBelow("/a/"), never)).toMatchObject({
        ok: true,
        value: { revision: 4n, kvs: [x] },
      });
      expect(await client.range({ key: "/a/x", end: undefined }, never, true)).toMatchObject({
        ok: true,
        value: { kvs: [{ ...x, value: "" }] },
      });
      expect(await client.delete("/a/x", never)).toEqual({ ok: true, value: 1n });
      expect(await client.delete("/a/x", never)).toEqual({ ok: true, value: 0n });
      expect((await etcd.ctl("get", "--prefix", "/")).trim()).toBe("/b\n3");
    },
    SLOW_MS,
  );

  test(
    "is followed over writes, deletes and the end of leases",
    async () => {
      await using etcd = await Etcd.start();
      await etcd.put("/a/x", "1");
      await etcd.put("/b/x", "other");
      scene.follow(etcd.baseUrls);
      await becomes("/a/x=1");
      await etcd.put("/a/y", "2");
      await etcd.put("/a0", "other");
      await becomes("/a/x=1 /a/y=2");
      await etcd.delete("/a/x");
      await becomes("/a/y=2");
      await etcd.putWithLease("/a/l", "3", 1);
      await becomes("/a/l=3 /a/y=2");
      await becomes("/a/y=2");
      expect(scene.failures).toEqual([]);
    },
    SLOW_MS,
  );

  test(
    "sends what is long in parts",
    async () => {
      await using etcd = await Etcd.start();
      const client = new EtcdClient({ baseUrls: etcd.baseUrls, tls: undefined }, systemClock);
      const long = "é".repeat(500_000);
      for (const key of ["/a/1", "/a/2", "/a/3"]) await client.put(key, long, never);
      const messages: EtcdMessage[] = [];
      const watch = client.watch(keysBelow("/a/"), 2n, {
        message: (message) => messages.push(message),
        end() {},
      });
      const parts = () => messages.filter((message) => message.kind === "events");
      await until("the last part", () => parts().at(-1)?.whole === true);
      watch.close();
      expect(parts().length).toBeGreaterThan(1);
      expect(parts().filter(({ whole }) => whole).length).toBe(1);
      const values = parts().flatMap(({ events }) =>
        events.map((event) => (event.kind === "put" ? event.kv.value : "")),
      );
      expect(values).toEqual([long, long, long]);
    },
    SLOW_MS,
  );

  test(
    "tells a watch from an old revision that it is compacted, and what to ask for",
    async () => {
      await using etcd = await Etcd.start();
      for (const value of ["1", "2", "3"]) await etcd.put("/a/x", value);
      const oldest = await etcd.compact();
      const client = new EtcdClient({ baseUrls: etcd.baseUrls, tls: undefined }, systemClock);
      const messages: EtcdMessage[] = [];
      const watch = client.watch(keysBelow("/a/"), 2n, {
        message: (message) => messages.push(message),
        end() {},
      });
      await until("the message", () => messages.at(-1)?.kind === "compacted");
      watch.close();
      expect(messages.at(-1)).toEqual({ kind: "compacted", oldest: BigInt(oldest) });
    },
    SLOW_MS,
  );

  test(
    "may be killed: what is known stays, and is followed again, over a compaction too",
    async () => {
      await using etcd = await Etcd.start();
      await etcd.put("/a/x", "1");
      scene.follow(etcd.baseUrls);
      await becomes("/a/x=1");
      await etcd.put("/a/x", "2");
      await becomes("/a/x=2");

      await etcd.kill();
      await until("the failure", () => scene.failures.length > 0);
      expect(scene.keys).toBe("/a/x=2");
      await etcd.restart();
      await etcd.put("/a/y", "3");
      await comesBack("/a/x=2 /a/y=3");
      const anew = (): number => scene.log.filter((line) => line.includes("oldest=")).length;
      expect(anew()).toBe(0);

      // The clock stands, so that it does not come back before all is done.
      const { length } = scene.failures;
      await etcd.kill();
      await until("the failure", () => scene.failures.length > length);
      await etcd.restart();
      for (const value of ["4", "5"]) await etcd.put("/a/x", value);
      await etcd.delete("/a/y");
      const oldest = await etcd.compact();
      expect(scene.keys).toBe("/a/x=2 /a/y=3");
      await comesBack("/a/x=5");
      expect(anew()).toBe(1);
      expect(scene.log.find((line) => line.includes("oldest="))).toContain(`oldest=${oldest}`);
      await etcd.put("/a/z", "6");
      await becomes("/a/x=5 /a/z=6");
    },
    SLOW_MS,
  );

  test(
    "of three members may lose one, and a member without the others ends its watches",
    async () => {
      await using etcd = await Etcd.start({ members: 3 });
      await etcd.put("/a/x", "1");
      scene.follow(etcd.baseUrls);
      await becomes("/a/x=1");
      await etcd.kill(0);
      await until("the failure", () => scene.failures.length > 0);
      await etcd.healthy();
      await etcd.put("/a/x", "2");
      await comesBack("/a/x=2");

      const { length } = scene.failures;
      await etcd.kill(2);
      await until("no leader", () => scene.failures.length > length);
      expect(scene.failures.at(-1)).toBe("etcd ended the watch: etcdserver: no leader");
      await etcd.restart(2);
      await etcd.put("/a/x", "3");
      await comesBack("/a/x=3");
    },
    SLOW_MS,
  );

  test(
    "speaks TLS, and knows its clients by their certificates",
    async () => {
      const ca = await makeCa();
      const server = await issue(ca, { names: ["localhost"], ips: ["127.0.0.1"] });
      const tls = { ca: ca.certPem, cert: server.certPem, key: server.keyPem };
      await using etcd = await Etcd.start({ tls });
      await etcd.put("/a/x", "1");
      const { baseUrls } = etcd;
      const range = (with_: { ca: string; cert?: string; key?: string }) =>
        new EtcdClient({ baseUrls, tls: with_ }, systemClock).range(keysBelow("/a/"), never);
      const client = await issue(ca, { names: ["namerd"] });
      const known = { ca: ca.certPem, cert: client.certPem, key: client.keyPem };
      expect(await range(known)).toMatchObject({ ok: true, value: { kvs: [{ key: "/a/x" }] } });
      expect((await range({ ca: ca.certPem })).ok).toBe(false);
      const other = await makeCa("Another CA");
      expect((await range({ ...known, ca: other.certPem })).ok).toBe(false);
    },
    SLOW_MS,
  );
});
