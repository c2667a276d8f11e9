import { test, setDefaultTimeout } from "bun:test";
import { PythonSockets } from "/work/main/test/support/peers/python-sockets.ts";
import { proxyTo } from "/work/main/test/support/peers/proxy-config.ts";
import { readings } from "/work/main/test/support/peers/observed.ts";
import { Product } from "/work/main/test/support/product.ts";
setDefaultTimeout(100000);
for (const who of ["client","server"]) for (const after of ["wait", "close","send"])
test(`${who} sends to closed, ${after}`, async () => {
  await using python = new PythonSockets();
  const backend = await python.listen();
  await using product = await Product.start(proxyTo({ to: [backend.port] }));
  for (let i = 0; i < 2; i++) {
    const client = await python.connect(product.port());
    const server = await backend.accept();
    const [a,b] = who === "client" ? [client, server] : [server, client];
    await a.send(1); await b.receive(1);
    await Promise.all([a.send(128<<20), b.receive(128<<20)]); product.process.kill("SIGSTOP");
    console.log(await a.send(8*1024*1024, 0.5));
    await b.close();
    product.process.kill("SIGCONT");
    const t = performance.now();
    const r = await a.receive(undefined, 15);
    const s = after === "send" ? await a.send(256*1024*1024, 30) : {end: "", bytes: 0};
    if (after === "close") await a.close();
    const t1 = performance.now() - t;
    while ((await readings(product)).sum("l5d_srv_active") > 0) await Bun.sleep(5);
    const p = await readings(product);
    console.log(r.end, s.end, s.bytes, t1|0, (performance.now() - t)|0, ["eof","client_reset","upstream_reset"].map(reason => p.sum("l5d_srv_close_reason_total", {reason})).join());
    await a.close();
  }
});
