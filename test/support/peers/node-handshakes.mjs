// TLS handshakes one after the other on Node's stack: `node-handshakes.mjs PORT CA COUNT NAME`. Prints how many were right
// and what went wrong with the others.
import { readFileSync } from "node:fs";
import { connect } from "node:tls";

const [port, ca, count, servername] = process.argv.slice(2);
const trusted = readFileSync(ca);

function one() {
  return new Promise((resolve) => {
    const socket = connect({ port: Number(port), host: "127.0.0.1", ca: trusted, servername });
    socket.on("secureConnect", () => socket.write("ping"));
    socket.on("data", (data) => {
      resolve(String(data) === "ping" ? "ok" : "wrong bytes");
      socket.destroy();
    });
    socket.on("error", (error) => resolve(String(error.code)));
    socket.on("end", () => resolve("end of stream"));
  });
}

const outcomes = {};
for (let made = 0; made < Number(count); made += 1) {
  const outcome = await one();
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
}
console.log(JSON.stringify(outcomes));
