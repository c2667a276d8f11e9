// Many connections at a time on Node's sockets: `node-crowd.mjs PORT COUNT BYTES`. Each sends random bytes, ends its
// direction and compares the echo. Prints how many were right and what went wrong with the others.
import { createHash, randomBytes } from "node:crypto";
import { connect } from "node:net";

const [port, count, bytes] = process.argv.slice(2).map(Number);

function one() {
  return new Promise((resolve) => {
    const payload = randomBytes(bytes);
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const digest = createHash("sha256");
    socket.on("connect", () => socket.end(payload));
    socket.on("data", (data) => digest.update(data));
    socket.on("error", (error) => resolve(error.code));
    socket.on("end", () => {
      const wanted = createHash("sha256").update(payload).digest("hex");
      resolve(digest.digest("hex") === wanted ? "ok" : "wrong bytes");
    });
  });
}

const outcomes = {};
for (const outcome of await Promise.all(Array.from({ length: count }, one))) {
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
}
console.log(JSON.stringify(outcomes));
