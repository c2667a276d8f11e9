// Sends back what comes: port, certificate, key, version. Ends when its input does. A client must end by close_notify:
// one that does not is reset.
import { readFileSync } from "node:fs";
import { createServer } from "node:tls";

const [port, cert, key, version] = process.argv.slice(2);
const only = `TLSv${version}`;
const options = {
  cert: readFileSync(cert),
  key: readFileSync(key),
  minVersion: only,
  maxVersion: only,
};
const server = createServer({ ...options, allowHalfOpen: true }, (socket) => {
  socket.on("error", () => socket.resetAndDestroy());
  socket.pipe(socket);
});
server.on("tlsClientError", () => {});
server.listen(Number(port), "127.0.0.1");
process.stdin.on("end", () => process.exit()).resume();
