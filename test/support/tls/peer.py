"""A TCP and TLS peer on Python's ssl module, driven by lines of JSON on stdin; see peer.ts.

Each request {"id", "op", ...} gets one answer {"id", "value"} or {"id", "error"}; requests run at the same time.
"""

import hashlib
import itertools
import json
import queue
import random
import socket
import ssl
import struct
import sys
import tempfile
import threading

CHUNK = 65536
KEPT_RAW_BYTES = 65536


class Stream:
    """A connection. TLS runs on memory buffers, so that close_notify and FIN are separate steps."""

    def __init__(self, sock, tls):
        self.sock = sock
        self.raw = bytearray()
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = tls and tls(self.incoming, self.outgoing)
        self.lock = threading.Lock()
        self.write_lock = threading.Lock()
        self.sni = None
        self.decrypted = bytearray()

    def _flush(self, wait=True):
        # A reader must not wait for a writer that the other side has stalled.
        if not self.write_lock.acquire(blocking=wait):
            return
        try:
            while self.outgoing.pending:
                self.sock.sendall(self.outgoing.read(CHUNK))
        finally:
            self.write_lock.release()

    def _recv(self, size):
        data = self.sock.recv(size)
        if len(self.raw) < KEPT_RAW_BYTES:
            self.raw += data
        return data

    def _fill(self):
        data = self._recv(CHUNK)
        with self.lock:
            if data:
                self.incoming.write(data)
            else:
                self.incoming.write_eof()

    def handshake(self):
        while self.tls:
            try:
                with self.lock:
                    self.tls.do_handshake()
                return self._flush()
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            except ssl.SSLError:
                try:
                    self._flush()
                except OSError:
                    pass
                raise

    def write(self, data):
        if not self.tls:
            return self.sock.sendall(data)
        with self.lock:
            self.tls.write(data)
        self._flush()

    def read(self, size):
        """Bytes, or how the other side ended: close_notify, fin or reset."""
        try:
            if not self.tls:
                return self._recv(size) or "fin"
            while True:
                try:
                    with self.lock:
                        data = bytes(self.decrypted) or self.tls.read(size)
                        self.decrypted.clear()
                    return data or "close_notify"
                except ssl.SSLWantReadError:
                    self._flush(wait=False)
                    self._fill()
                except ssl.SSLZeroReturnError:
                    return "close_notify"
                except ssl.SSLEOFError:
                    return "fin"
        except ConnectionResetError:
            return "reset"

    def shutdown(self):
        """Ends the writing direction: FIN, or close_notify alone for TLS."""
        if not self.tls:
            return self.sock.shutdown(socket.SHUT_WR)
        with self.lock:
            # OpenSSL takes bytes that it has not decrypted yet for an error here.
            try:
                while data := self.tls.read(CHUNK):
                    self.decrypted += data
            except ssl.SSLError:
                pass
            try:
                self.tls.unwrap()
            except ssl.SSLWantReadError:
                pass
        self._flush()

    def fin(self):
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        self.sock.close()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def info(self):
        if not self.tls:
            return {"local": self.sock.getsockname()[1]}
        return {
            "local": self.sock.getsockname()[1],
            "version": self.tls.version(),
            "cipher": self.tls.cipher()[0],
            "alpn": self.tls.selected_alpn_protocol(),
            "sni": self.sni,
            "peer": common_name(self.tls.getpeercert()),
        }


class Server:
    """Accepts for ever; handshakes begin at once unless the server holds them."""

    def __init__(self, request):
        family = socket.AF_INET6 if ":" in request["host"] else socket.AF_INET
        self.sock = socket.create_server(
            (request["host"], 0), family=family, backlog=request.get("backlog", 1024)
        )
        self.port = self.sock.getsockname()[1]
        self.context = request.get("tls") and server_context(request["tls"])
        self.go = threading.Event()
        if not request.get("hold"):
            self.go.set()
        self.ready = queue.Queue()
        self.accepted = 0
        self.failures = []
        self.raw = []
        if "backlog" not in request:
            threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._begin, args=(sock,), daemon=True).start()

    def _begin(self, sock):
        stream = Stream(sock, None)
        self.raw.append(stream)
        if self.context:
            stream.tls = self.context.wrap_bio(stream.incoming, stream.outgoing, server_side=True)
            STREAM_OF_TLS[id(stream.tls)] = stream
        try:
            self.go.wait()
            stream.handshake()
        except (OSError, ssl.SSLError) as error:
            self.failures.append(str(error))
            sock.close()
            return
        self.ready.put(stream)


STREAM_OF_TLS = {}


def common_name(certificate):
    """Of a certificate that was asked for and verified."""
    return dict(pair for part in (certificate or {}).get("subject", ()) for pair in part).get("commonName")


def versions(context, options):
    context.minimum_version = getattr(ssl.TLSVersion, options.get("min", "TLSv1_2"))
    context.maximum_version = getattr(ssl.TLSVersion, options.get("max", "TLSv1_3"))
    if "ciphers" in options:
        context.set_ciphers(options["ciphers"])
    if "alpn" in options:
        context.set_alpn_protocols(options["alpn"])


def identity(context, options):
    with tempfile.NamedTemporaryFile("w") as pem:
        pem.write(options["keyPem"] + options["certPem"])
        pem.flush()
        context.load_cert_chain(pem.name)


def server_context(options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    versions(context, options)
    identity(context, options)
    if "clientCa" in options:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=options["clientCa"])

    def on_sni(tls, name, _context):
        stream = STREAM_OF_TLS.get(id(tls))
        if stream:
            stream.sni = name

    context.sni_callback = on_sni
    return context


def client_tls(options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    versions(context, options)
    context.load_verify_locations(cadata=options["ca"])
    if "certPem" in options:
        identity(context, options)
    context.check_hostname = options.get("serverName") is not None
    return lambda incoming, outgoing: context.wrap_bio(
        incoming, outgoing, server_hostname=options.get("serverName")
    )


STREAMS = {}
SERVERS = {}
IDS = itertools.count(1)
HELD = []


def add(stream):
    key = next(IDS)
    STREAMS[key] = stream
    return {"stream": key, **stream.info()}


def connect(request):
    sock = socket.create_connection((request["host"], request["port"]))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    tls = request.get("tls")
    stream = Stream(sock, tls and client_tls(tls))
    try:
        stream.handshake()
    except (OSError, ssl.SSLError):
        sock.close()
        raise
    return add(stream)


def listen(request):
    server = Server(request)
    key = next(IDS)
    SERVERS[key] = server
    if "backlog" in request:
        fill(server)
    return {"server": key, "port": server.port}


def fill(server):
    """Takes all places in the queue of a server that never accepts: further SYNs are dropped."""
    while True:
        sock = socket.socket()
        sock.settimeout(0.2)
        HELD.append(sock)
        try:
            sock.connect(("127.0.0.1", server.port))
        except TimeoutError:
            return


def accept(request):
    return add(SERVERS[request["server"]].ready.get())


def stats(request):
    server = SERVERS[request["server"]]
    raw = b"\0".join(bytes(stream.raw) for stream in server.raw).decode("latin1")
    return {"accepted": server.accepted, "failures": server.failures, "raw": raw}


def send(request):
    stream = STREAMS[request["stream"]]
    digest = hashlib.sha256()
    source = random.Random(request.get("seed", 1))
    left = request["size"]
    while left > 0:
        data = source.randbytes(min(CHUNK, left))
        digest.update(data)
        stream.write(data)
        left -= len(data)
    return {"sha256": digest.hexdigest()}


def send_text(request):
    STREAMS[request["stream"]].write(request["text"].encode("latin1"))


def receive(request):
    """Reads to the end, or as many bytes as were asked for."""
    stream = STREAMS[request["stream"]]
    digest = hashlib.sha256()
    size = 0
    text = bytearray()
    end = None
    most = request.get("most", float("inf"))
    while size < most:
        data = stream.read(int(min(CHUNK, most - size)))
        if isinstance(data, str):
            end = data
            break
        digest.update(data)
        size += len(data)
        if len(text) < 4096:
            text += data
    return {
        "size": size,
        "sha256": digest.hexdigest(),
        "text": text[:4096].decode("latin1"),
        "end": end,
    }


def echo_all(request):
    server = SERVERS[request["server"]]

    def serve(stream):
        try:
            while isinstance(data := stream.read(CHUNK), bytes):
                stream.write(data)
            stream.shutdown()
            stream.close()
        except (OSError, ssl.SSLError):
            stream.close()

    def run():
        while True:
            threading.Thread(target=serve, args=(server.ready.get(),), daemon=True).start()

    threading.Thread(target=run, daemon=True).start()


def step(name):
    return lambda request: getattr(STREAMS[request["stream"]], name)()


OPS = {
    "connect": connect,
    "listen": listen,
    "accept": accept,
    "stats": stats,
    "release": lambda request: SERVERS[request["server"]].go.set(),
    "hold": lambda request: SERVERS[request["server"]].go.clear(),
    "send": send,
    "sendText": send_text,
    "receive": receive,
    "echoAll": echo_all,
    **{name: step(name) for name in ("shutdown", "fin", "close", "reset")},
}
OUTPUT_LOCK = threading.Lock()


def answer(request):
    try:
        reply = {"value": OPS[request["op"]](request)}
    except Exception as error:  # whatever it is, the test wants to know
        reply = {"error": f"{type(error).__name__}: {error}"}
    with OUTPUT_LOCK:
        print(json.dumps({"id": request["id"], **reply}), flush=True)


for line in sys.stdin:
    threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()
