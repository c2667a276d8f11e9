# Sockets of the system, controlled from a test: a JSON request a line on standard input, an answer a line on standard
# output. Knows nothing of linkerd-tcp or of Bun. Every request has a thread of its own, so that one that blocks holds
# up no other.
import errno
import hashlib
import json
import os
import select
import socket
import struct
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

CHUNK = 262144
# Where listeners are, and where connections go.
LISTEN = os.environ.get("SOCKETS_LISTEN", "127.0.0.1")
TARGET = os.environ.get("SOCKETS_TARGET", "127.0.0.1")
things = {}
lock = threading.Lock()


def keep(thing):
    with lock:
        handle = len(things) + 1
        things[handle] = thing
    return handle


def name_of(error):
    if isinstance(error, TimeoutError):
        return "timeout"
    return errno.errorcode.get(getattr(error, "errno", None), str(error))


def set_reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def end(sock, how):
    try:
        if how == "reset":
            set_reset(sock)
        sock.close()
    except OSError:
        pass


# === single sockets ===




def listen(backlog=512, port=0):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((LISTEN, port))
    sock.listen(backlog)
    return {"handle": keep(sock), "port": sock.getsockname()[1]}


def accept(handle, secs=15):
    listener = things[handle]
    listener.settimeout(secs)
    sock, _ = listener.accept()
    sock.settimeout(30)
    return {"handle": keep(sock)}


class ResetSocket(socket.socket):
    """A connection that was reset before its connect returned: what is asked of it later says so."""

    def recv(self, *_):
        raise ConnectionResetError(errno.ECONNRESET, "reset while it connected")

    def send(self, *_):
        raise ConnectionResetError(errno.ECONNRESET, "reset while it connected")

    sendall = send
    shutdown = send


def dial(port, source=None):
    """A connected socket. The system may tell of a reset that follows at once by the connect or by the next call:
    here it is always the next call."""
    try:
        bound = None if source is None else (source, 0)
        return socket.create_connection((TARGET, port), timeout=30, source_address=bound)
    except ConnectionResetError:
        return ResetSocket()


def connect(port, source=None):
    return {"handle": keep(dial(port, source))}


def send(handle, size, stallSecs=30):
    """Random bytes; stops at `size`, at an error, or when nothing moved for `stallSecs`."""
    sock = things[handle]
    digest = hashlib.sha256()
    sent = 0
    sock.settimeout(stallSecs)
    try:
        while sent < size:
            chunk = memoryview(os.urandom(min(CHUNK, size - sent)))
            while len(chunk) > 0:
                count = sock.send(chunk)
                digest.update(chunk[:count])
                chunk = chunk[count:]
                sent += count
        ended = "all"
    except OSError as error:
        ended = name_of(error)
    sock.settimeout(30)
    return {"bytes": sent, "hash": digest.hexdigest(), "end": ended}


def write(handle, text):
    things[handle].sendall(text.encode())
    return {}


def receive(handle, size=None, secs=30):
    """Up to `size` bytes, or to the end of the stream."""
    sock = things[handle]
    sock.settimeout(secs)
    digest = hashlib.sha256()
    got = 0
    head = b""
    started = time.monotonic()
    try:
        while True:
            if size is not None and got >= size:
                ended = "all"
                break
            data = sock.recv(CHUNK if size is None else min(CHUNK, size - got))
            if data == b"":
                ended = "eof"
                break
            digest.update(data)
            got += len(data)
            head = (head + data)[:100] if len(head) < 100 else head
    except OSError as error:
        ended = name_of(error)
    ms = (time.monotonic() - started) * 1000
    text = head.decode("latin1")
    return {"bytes": got, "hash": digest.hexdigest(), "end": ended, "text": text, "ms": ms}


def drip(handle, count, everyMs):
    """Sends a byte now and then."""
    for _ in range(count):
        things[handle].sendall(b"x")
        time.sleep(everyMs / 1000)
    return {}


def shutdown(handle):
    things[handle].shutdown(socket.SHUT_WR)
    return {}


def close(handle, how="fin"):
    end(things[handle], how)
    return {}


def chat(handle, secs, everyMs):
    """Sends a byte now and then and waits for its echo: a connection that is never idle for long."""
    sock = things[handle]
    until = time.monotonic() + secs
    try:
        while time.monotonic() < until:
            sock.sendall(b"x")
            if sock.recv(1) == b"":
                return {"end": "eof"}
            time.sleep(everyMs / 1000)
    except OSError as error:
        return {"end": name_of(error)}
    return {"end": "open"}


# === servers ===


class Server:
    """greet: says its name and a newline, then echoes. echo: echoes. hold: says nothing, waits for the end.
    reset: resets at once. reset_asked: resets when the first byte has come."""

    def __init__(self, listener, mode, name):
        self.listener = listener
        self.mode = mode
        self.name = name
        self.open = set()
        self.stats = {"accepted": 0, "active": 0, "mostActive": 0, "eof": 0, "failed": 0}
        listener.settimeout(None)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with lock:
                self.open.add(sock)
                self.stats["accepted"] += 1
                self.stats["active"] += 1
                self.stats["mostActive"] = max(self.stats["active"], self.stats["mostActive"])
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        how = "eof"
        try:
            if self.mode in ("reset", "reset_asked"):
                if self.mode == "reset_asked":
                    sock.recv(65536)
                set_reset(sock)
            elif self.mode == "greet":
                sock.sendall(self.name.encode() + b"\n")
            while self.mode not in ("reset", "reset_asked"):
                data = sock.recv(65536)
                if data == b"":
                    break
                if self.mode != "hold":
                    sock.sendall(data)
        except OSError:
            how = "failed"
        with lock:
            self.open.discard(sock)
            self.stats["active"] -= 1
            self.stats[how] += 1
        sock.close()


def serve(mode="echo", name="", port=0):
    made = listen(port=port)
    return {"handle": keep(Server(things[made["handle"]], mode, name)), "port": made["port"]}


def stats(handle):
    with lock:
        return dict(things[handle].stats)


def hang_up(handle):
    """Ends all connections that stand now; goes on to accept."""
    with lock:
        now = list(things[handle].open)
    for sock in now:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
    return {}


def stop(handle):
    server = things[handle]
    # A thread in accept keeps the socket alive past close.
    server.listener.shutdown(socket.SHUT_RDWR)
    server.listener.close()
    return hang_up(handle)


# === an address that answers nothing ===


def dead_port():
    """A port where nobody listens, and nobody will who asks the system for any: it stays bound. Who names it may listen."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((LISTEN, 0))
    return {"handle": keep(sock), "port": sock.getsockname()[1]}


def black_hole():
    """A listener whose queue is full: the kernel drops what asks for a connection."""
    made = listen(backlog=0)
    fillers = []
    for _ in range(4):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", made["port"]))
        fillers.append(sock)
        select.select([], [sock], [], 0.05)
    things[made["handle"]] = (things[made["handle"]], fillers)
    return made


def open_up(handle):
    """Becomes an ordinary listener: those who wait get in once their system asks again."""
    listener, fillers = things[handle]
    listener.listen(512)
    listener.settimeout(0.3)
    try:
        while True:
            listener.accept()[0].close()
    except OSError:
        pass
    for sock in fillers:
        sock.close()
    things[handle] = listener
    return {}


# === many at a time ===


def crowd(port, count, source=None):
    """Connections that stand, as far as the system of the server says so."""
    socks = [dial(port, source) for _ in range(count)]
    return {"handle": keep({"waiting": socks, "served": []})}


def crowd_lines(handle, secs, leave=False):
    """Waits for a line from each that waits, or its end. `leave`: those go who have their line."""
    members = things[handle]
    poll = select.poll()
    lines = Counter()
    # Some may have ended before they began.
    ended = [sock for sock in members["waiting"] if isinstance(sock, ResetSocket)]
    left = {sock.fileno(): sock for sock in members["waiting"] if sock not in ended}
    ends = Counter({"ECONNRESET": len(ended)} if ended else {})
    members["served"].extend(ended)
    buffers = {fd: b"" for fd in left}
    for fd in left:
        poll.register(fd, select.POLLIN)
    if leave:
        for sock in members["served"]:
            sock.close()
    until = time.monotonic() + secs
    while left and time.monotonic() < until:
        for fd, _ in poll.poll(100):
            sock = left[fd]
            try:
                data = sock.recv(4096)
                buffers[fd] += data
                if b"\n" in buffers[fd]:
                    lines[buffers[fd].split(b"\n")[0].decode()] += 1
                elif data == b"":
                    ends["eof"] += 1
                else:
                    continue
            except OSError as error:
                ends[name_of(error)] += 1
            poll.unregister(fd)
            del left[fd]
            members["served"].append(sock)
            if leave:
                sock.close()
    members["waiting"] = list(left.values())
    return {"lines": dict(lines), "ends": dict(ends), "silent": len(left)}


def crowd_end(handle, how):
    for sock in things[handle]["waiting"] + things[handle]["served"]:
        end(sock, how)
    return {}


def crowd_ends(handle, secs):
    """Waits for the end of each, whatever comes before it. When they came, in milliseconds since the call, and how.
    Those that see their end close at once."""
    members = things[handle]
    poll = select.poll()
    left = {sock.fileno(): sock for sock in members["waiting"] + members["served"]}
    for fd in left:
        poll.register(fd, select.POLLIN)
    times = []
    ends = Counter()
    started = time.monotonic()
    while left and time.monotonic() - started < secs:
        for fd, _ in poll.poll(100):
            try:
                if left[fd].recv(65536) != b"":
                    continue
                ends["eof"] += 1
            except OSError as error:
                ends[name_of(error)] += 1
            times.append((time.monotonic() - started) * 1000)
            poll.unregister(fd)
            left.pop(fd).close()
    members["waiting"] = list(left.values())
    members["served"] = []
    return {"times": times, "ends": dict(ends), "open": len(left)}


def reset_burst(port, count):
    """Connects and resets at once, as often as is asked; what fails is as good."""
    for _ in range(count):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", port))
        end(sock, "reset")
    return {}


def churn(port, count, threads, size):
    """Short connections, one after the other in each thread: send, end, compare the echo, close."""

    def one(_):
        payload = os.urandom(size)
        try:
            with dial(port) as sock:
                sock.sendall(payload)
                sock.shutdown(socket.SHUT_WR)
                got = b""
                while True:
                    data = sock.recv(65536)
                    if data == b"":
                        return "ok" if got == payload else "wrong bytes"
                    got += data
        except OSError as error:
            return name_of(error)

    with ThreadPoolExecutor(threads) as pool:
        return dict(Counter(pool.map(one, range(count))))


OPERATIONS = [listen, accept, connect, send, write, receive, shutdown, close, chat, drip, serve, stats, hang_up, stop]
OPERATIONS += [dead_port, black_hole, open_up, crowd, crowd_lines, crowd_ends, crowd_end, reset_burst, churn]
BY_NAME = {operation.__name__: operation for operation in OPERATIONS}


def answer(request):
    try:
        reply = {"value": BY_NAME[request["op"]](**request["args"])}
    except Exception as error:  # told to the test, whatever it is
        reply = {"error": f"{type(error).__name__} {name_of(error)}"}
    with lock:
        print(json.dumps({"id": request["id"], **reply}), flush=True)


for line in sys.stdin:
    threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()
os._exit(0)
