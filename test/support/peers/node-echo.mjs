// An echo server on Node's sockets: prints its port, echoes until the end of each stream, then ends its own.
import { createServer } from "node:net";

const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => {});
  socket.pipe(socket);
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
