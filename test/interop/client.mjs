// Connects twice, the second time with the session of the first: port, CA file, version, name, what to say.
// Prints a line of JSON for each connection: {"version", "resumed", "echo", "end"}.
import { readFileSync } from "node:fs";
import { connect } from "node:tls";

const [port, caFile, version, name, said] = process.argv.slice(2);
const only = `TLSv${version}`;
const options = {
  host: "127.0.0.1",
  port: Number(port),
  ca: readFileSync(caFile),
  servername: name,
  minVersion: only,
  maxVersion: only,
};

function talk(session) {
  return new Promise((resolve) => {
    let echo = "";
    let ticket = session;
    let end = "nothing";
    const socket = connect({ ...options, session }, () => socket.write(said));
    socket.setEncoding("utf8");
    // Kept: asked after the end, it knows nothing any more.
    let seen = {};
    socket.on("secureConnect", () => {
      seen = { version: socket.getProtocol(), resumed: socket.isSessionReused() };
    });
    socket.on("session", (next) => (ticket = next));
    socket.on("data", (text) => (echo += text));
    socket.on("end", () => (end = "close_notify"));
    socket.on("error", (error) => (end = String(error)));
    socket.on("close", () => {
      console.log(JSON.stringify({ ...seen, echo, end }));
      resolve(ticket);
    });
  });
}

await talk(await talk(undefined));
