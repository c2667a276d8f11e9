// The command `dtab` as a user runs it, against the embedded namerd.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { resolve } from "node:path";
import { Product } from "../support/product.ts";

setDefaultTimeout(30_000);

const BIN = resolve(import.meta.dir, "../../bin/linkerd-tcp");
let namerd: Product;

beforeAll(async () => {
  const config = {
    admin: { port: 0 },
    storage: { kind: "io.l5d.inMemory", namespaces: { default: "/svc => /#/io.l5d.fs;" } },
    namers: [{ kind: "io.l5d.fs", rootDir: "." }],
    interfaces: [{ kind: "io.l5d.httpController", port: 0 }],
  };
  namerd = await Product.start(config, { files: { web: "10.0.0.1 80\n" }, words: ["namerd"] });
});
afterAll(async () => {
  await namerd[Symbol.asyncDispose]();
});

/** Runs `linkerd-tcp dtab` against the namerd, with `stdin`. */
async function dtab(
  args: readonly string[],
  stdin = "",
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const child = Bun.spawn([BIN, "dtab", "-n", `127.0.0.1:${namerd.port()}`, ...args], {
    stdin: new Blob([stdin]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, out, err };
}

test("dtabs are listed, read, changed and deleted", async () => {
  expect(await dtab(["list"])).toEqual({ code: 0, out: "default\n", err: "" });
  const put = await dtab(
    ["put", "mine", "-"],
    "# two rules\n/svc => /host ;\n/host/a => /b | ! ;\n",
  );
  expect(put).toEqual({
    code: 0,
    out: "# version AAAAAAAAAAE=\n/svc    => /host ;\n/host/a => /b | ! ;\n",
    err: "",
  });
  const got = await dtab(["get", "mine"]);
  expect(got.out).toBe(put.out);
  expect((await dtab(["put", "mine", "-"], got.out)).code).toBe(0);
  expect(JSON.parse((await dtab(["get", "-N", "mine", "--json"])).out)).toEqual({
    namespace: "mine",
    dentries: [
      { prefix: "/svc", dst: "/host" },
      { prefix: "/host/a", dst: "/b | !" },
    ],
    version: "AAAAAAAAAAI=",
  });
  expect((await dtab(["delete", "mine"])).out).toBe("deleted mine\n");
  expect(await dtab(["get", "mine"])).toEqual({
    code: 65,
    out: "",
    err: "linkerd-tcp: there is no namespace mine\n",
  });
});

test("a delegation is explained, for people and as JSON", async () => {
  expect((await dtab(["delegate", "/svc/web"])).out).toBe(
    "/svc/web\n  /#/io.l5d.fs/web  by /svc => /#/io.l5d.fs\n    = /#/io.l5d.fs/web: 10.0.0.1:80\n",
  );
  expect(JSON.parse((await dtab(["delegate", "/svc/web", "--json"])).out)).toMatchObject({
    type: "delegate",
    delegate: { type: "leaf", bound: { id: "/#/io.l5d.fs/web" } },
  });
});

test("what is wrong is told before anything is changed", async () => {
  expect(await dtab(["put", "default", "-"], "/svc => /a ;\n/b => ^ ;\n")).toMatchObject({
    code: 78,
    err: expect.stringContaining("<stdin>:2:7: error: "),
  });
  expect(await dtab(["put", "default", "-"], "# nothing\n")).toMatchObject({ code: 78 });
  expect(await dtab(["put", "default", "no.such.file"])).toMatchObject({ code: 66 });
  const late = ["put", "default", "-", "--if-version", "AAAAAAAAAAk="];
  expect(await dtab(late, "/a => /b")).toMatchObject({
    code: 65,
    err: "linkerd-tcp: the dtab has changed since that version: get it again\n",
  });
  expect((await dtab(["get"])).out).toEndWith("/svc => /#/io.l5d.fs ;\n");
});
