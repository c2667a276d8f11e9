"""Both ends of proxied connections, on Python's sockets and ssl module; see peers.ts.

A request a line on stdin, an answer a line on stdout. `listen` opens a listener; `run` makes one connection through a
proxy and lets each end do the steps of its script. What the ends send is a pattern that the other end knows, so that a
byte that is wrong, missing or too many is seen where it stands.
"""

import json
import os
import random
import socket
import ssl
import struct
import sys
import tempfile
import threading

CHUNK = 65536
# Nothing that should come or be taken may need longer: then it is called open, or stuck.
PATIENCE_SECS = 8.0
# A writer whose bytes nobody took for so long is stalled.
STALL_SECS = 0.3
# More than all buffers on the way take; who sends that much without being stopped has found something else.
FILL_BYTES = 128 << 20
# No multiple of any buffer, so that bytes lost or doubled shift the pattern.
PATTERN = random.Random(7).randbytes(1_000_003) * 2


def pattern(offset, size):
    start = offset % 1_000_003
    return PATTERN[start : start + size]


class Stream:
    """One end. TLS runs on memory buffers, so that close_notify and FIN are separate steps."""

    def __init__(self, sock, tls):
        self.sock = sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(PATIENCE_SECS)
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = tls and tls(self.incoming, self.outgoing)
        self.lock = threading.Lock()
        self.unsent = b""
        self.read_early = bytearray()

    def handshake(self):
        while self.tls:
            try:
                self.tls.do_handshake()
                return self.flush()
            except ssl.SSLWantReadError:
                self.flush()
                self.fill()

    def fill(self):
        data = self.sock.recv(CHUNK)
        with self.lock:
            self.incoming.write(data) if data else self.incoming.write_eof()

    def flush(self, secs=PATIENCE_SECS):
        """Sends what TLS has made. What is left at the end of `secs` stays in `unsent`."""
        while True:
            if not self.unsent:
                with self.lock:
                    self.unsent = self.outgoing.read(CHUNK) if self.outgoing.pending else b""
            if not self.unsent:
                return
            self.sock.settimeout(secs)
            count = self.sock.send(self.unsent)
            self.unsent = self.unsent[count:]

    def send(self, data, secs):
        """How many bytes were taken: of TLS all, since their record is begun."""
        if not self.tls:
            self.sock.settimeout(secs)
            return self.sock.send(data)
        self.flush(secs)
        with self.lock:
            self.tls.write(data)
        try:
            self.flush(secs)
        except (TimeoutError, ConnectionError):
            # Told again by the next flush: a part of these bytes may have gone out.
            pass
        return len(data)

    def receive(self, size, secs):
        """Bytes, or how the direction ended: end, fin (TLS without close_notify), reset, open (nothing came)."""
        try:
            self.sock.settimeout(secs)
            if not self.tls:
                return self.sock.recv(size) or "end"
            while True:
                try:
                    with self.lock:
                        data = bytes(self.read_early) or self.tls.read(size)
                        self.read_early.clear()
                    return data or "end"
                except ssl.SSLWantReadError:
                    self.sock.settimeout(secs)
                    self.fill()
        except TimeoutError:
            return "open"
        except ssl.SSLZeroReturnError:
            return "end"
        except ssl.SSLEOFError:
            return "fin"
        except (ConnectionResetError, BrokenPipeError):
            return "reset"

    def notify(self):
        """close_notify alone."""
        with self.lock:
            # OpenSSL takes bytes that it has not decrypted yet for an error here.
            try:
                while data := self.tls.read(CHUNK):
                    self.read_early += data
            except ssl.SSLError:
                pass
            try:
                self.tls.unwrap()
            except ssl.SSLWantReadError:
                pass
        self.flush()

    def shutdown(self):
        if self.tls:
            self.notify()
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        if self.tls:
            # Session tickets that nobody read would make a reset of the end.
            self.sock.setblocking(False)
            try:
                while data := self.sock.recv(CHUNK):
                    self.incoming.write(data)
            except OSError:
                pass
            self.sock.settimeout(PATIENCE_SECS)
            try:
                self.notify()
            except ConnectionError:
                pass
        self.sock.close()

    def close_unread(self):
        """Closes with bytes in the kernel's buffer, once they have come. Without close_notify, which is a good end."""
        self.sock.settimeout(PATIENCE_SECS)
        self.sock.recv(1, socket.MSG_PEEK)
        self.sock.close()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Player:
    """Does the steps of one end, and notes what it saw."""

    def __init__(self, stream, marks):
        self.stream = stream
        self.marks = marks
        self.background = []
        self.seen = {"sent": 0, "got": 0, "wrongAt": None, "ends": [], "refused": False, "problem": None}

    def play(self, steps):
        try:
            for step in steps:
                getattr(self, "do_" + step["do"])(**{k: v for k, v in step.items() if k != "do"})
        except Exception as error:  # told to the suite, whatever it is
            # What stands below may be told as anything once the other end is gone.
            self.seen["problem"] = f"{step['do']}: {type(error).__name__} {error}"
            for mark in self.marks.values():
                mark.set()
        self.join()

    def do_send(self, bytes, background=False):
        if background:
            thread = threading.Thread(target=self._send_aside, args=(bytes,), daemon=True)
            self.background.append(thread)
            return thread.start()
        self._send(self.seen["sent"] + bytes, PATIENCE_SECS)

    def _send_aside(self, size):
        try:
            self._send(size, PATIENCE_SECS)
        except OSError as error:
            self.seen["problem"] = f"send: {type(error).__name__} {error}"

    def _send(self, total, secs):
        while self.seen["sent"] < total:
            at = self.seen["sent"]
            self.seen["sent"] += self.stream.send(pattern(at, min(CHUNK, total - at)), secs)

    def do_fill(self):
        """Sends until nothing is taken any more."""
        try:
            self._send(FILL_BYTES, STALL_SECS)
        except TimeoutError:
            pass

    def do_sendUntilRefused(self):
        """Sends until the system says that the connection is gone."""
        try:
            self._send(FILL_BYTES, PATIENCE_SECS)
        except (ConnectionResetError, BrokenPipeError):
            self.seen["refused"] = True

    def do_receive(self, bytes):
        self._receive(self.seen["got"] + bytes, PATIENCE_SECS)

    def do_receiveAll(self):
        self._receive(float("inf"), PATIENCE_SECS)

    def do_receiveNothing(self, ms):
        """Nothing may come, no end either."""
        data = self.stream.receive(1, ms / 1000)
        self.seen["ends"].append(data if isinstance(data, str) else "bytes")

    def _receive(self, total, secs):
        while self.seen["got"] < total:
            data = self.stream.receive(int(min(CHUNK, total - self.seen["got"])), secs)
            if isinstance(data, str):
                self.seen["ends"].append(data)
                return
            at = self.seen["got"]
            if data != pattern(at, len(data)) and self.seen["wrongAt"] is None:
                self.seen["wrongAt"] = at
            self.seen["got"] += len(data)

    def do_stall(self, ms):
        threading.Event().wait(ms / 1000)

    def do_tell(self, mark):
        self.marks[mark].set()

    def do_await(self, mark):
        if not self.marks[mark].wait(2 * PATIENCE_SECS):
            raise TimeoutError(mark)

    def join(self):
        for thread in self.background:
            thread.join()

    def do_shutdown(self):
        self.join()
        self.stream.shutdown()

    def do_notify(self):
        self.stream.notify()

    def do_fin(self):
        self.stream.sock.shutdown(socket.SHUT_WR)

    def do_close(self):
        self.stream.close()

    def do_closeUnread(self):
        self.stream.close_unread()

    def do_reset(self):
        self.stream.reset()


listeners = {}
pairing = {}


def listen(request):
    sock = socket.create_server(("127.0.0.1", 0), backlog=512)
    sock.settimeout(PATIENCE_SECS)
    port = sock.getsockname()[1]
    listeners[port] = (sock, request.get("tls") and server_tls(request["tls"]))
    pairing[port] = threading.Lock()
    return {"port": port}


def server_tls(options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    with tempfile.NamedTemporaryFile("w") as pem:
        pem.write(options["keyPem"] + options["certPem"])
        pem.flush()
        context.load_cert_chain(pem.name)
    return lambda incoming, outgoing: context.wrap_bio(incoming, outgoing, server_side=True)


def client_tls(options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=options["ca"])
    name = options["serverName"]
    return lambda incoming, outgoing: context.wrap_bio(incoming, outgoing, server_hostname=name)


def pair(request):
    """Both ends of a new connection. One at a time for each listener, so that they belong together."""
    sock, tls = listeners[request["endpoint"]]
    made = {}

    def accept():
        try:
            made["endpoint"] = Stream(sock.accept()[0], tls)
            made["endpoint"].handshake()
        except Exception as error:
            made["error"] = error

    with pairing[request["endpoint"]]:
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        outer = request.get("tls") and client_tls(request["tls"])
        client = Stream(socket.create_connection(("127.0.0.1", request["proxy"]), 10), outer)
        client.handshake()
        accepting.join()
    if "error" in made:
        raise made["error"]
    return client, made["endpoint"]


def run(request):
    client, endpoint = pair(request)
    scripts = {"client": request["client"], "endpoint": request["endpointSteps"]}
    steps = [step for script in scripts.values() for step in script]
    marks = {step["mark"]: threading.Event() for step in steps if "mark" in step}
    players = {"client": Player(client, marks), "endpoint": Player(endpoint, marks)}
    threads = [
        threading.Thread(target=players[end].play, args=(scripts[end],), daemon=True)
        for end in players
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for player in players.values():
        player.stream.sock.close()
    return {end: player.seen for end, player in players.items()}


OPERATIONS = {"listen": listen, "run": run}
output = threading.Lock()


def answer(request):
    try:
        reply = {"value": OPERATIONS[request["op"]](request)}
    except Exception as error:  # told to the suite, whatever it is
        reply = {"error": f"{type(error).__name__}: {error}"}
    with output:
        print(json.dumps({"id": request["id"], **reply}), flush=True)


for line in sys.stdin:
    threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()
os._exit(0)
