"""Crowds of clients, and endpoints that misbehave, on epoll: thousands of sockets in a process. See swarm.ts.

A request a line on stdin, an answer a line on stdout. Every request has a thread of its own with a poll of its own.
"""

import errno
import itertools
import json
import os
import select
import socket
import struct
import sys
import threading
import time
from collections import Counter

CHUNK = 65536
# The port is chosen when the connection is made, so that each source address has all ports for each destination.
IP_BIND_ADDRESS_NO_PORT = 24
READ = select.EPOLLIN | select.EPOLLRDHUP
things = {}
handles = itertools.count(1)
output = threading.Lock()


def keep(thing):
    handle = next(handles)
    things[handle] = thing
    return handle


def name_of(error):
    return errno.errorcode.get(getattr(error, "errno", None), str(error))


def set_reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def set_mss(sock, mss):
    """With segments as between hosts, the kernel gives a connection less memory than it does with those of loopback."""
    if mss is not None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)


# === endpoints ===


class Endpoint:
    """What it does with a connection, by `mode`.

    echo: sends back what comes, and ends when its peer has. hold: accepts, and neither reads nor writes. reset: resets
    after `bytes` have come, 0: at once. garble: says what no protocol has, and waits. flood: sends without end.
    """

    def __init__(self, mode, host, port, size, mss):
        self.mode = mode
        self.size = size
        self.listener = socket.create_server((host, port), backlog=4096)
        set_mss(self.listener, mss)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.poll = select.epoll()
        self.poll.register(self.listener, select.EPOLLIN)
        self.socks = {}
        self.accepted = 0
        self.stopped = False
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while not self.stopped:
            for fd, _ in self.poll.poll(0.2):
                if fd == self.listener.fileno():
                    self.accept()
                elif fd in self.socks:
                    self.serve(fd, self.socks[fd])
        self.listener.close()
        for sock in self.socks.values():
            sock.close()

    def accept(self):
        try:
            while True:
                sock, _ = self.listener.accept()
                self.accepted += 1
                sock.setblocking(False)
                self.begin(sock)
        except OSError:
            return

    def begin(self, sock):
        if self.mode == "reset" and self.size == 0:
            set_reset(sock)
            return sock.close()
        self.socks[sock.fileno()] = sock
        if self.mode == "garble":
            sock.send(b"\x00\xff\x00\xff no such protocol\r\n")
        self.poll.register(sock, select.EPOLLOUT if self.mode == "flood" else READ)

    def serve(self, fd, sock):
        try:
            if self.mode == "flood":
                sock.send(bytes(CHUNK))
                return
            if self.mode == "hold":
                # Told of an end only: bytes stay where they are.
                if sock.recv(1, socket.MSG_PEEK) != b"":
                    return self.poll.modify(fd, select.EPOLLRDHUP)
                return self.drop(fd, sock)
            data = sock.recv(CHUNK)
            if data == b"":
                return self.drop(fd, sock)
            if self.mode == "reset":
                set_reset(sock)
                return self.drop(fd, sock)
            if self.mode == "echo":
                # What the tests send fits into an empty buffer.
                sock.send(data)
        except BlockingIOError:
            return
        except OSError:
            self.drop(fd, sock)

    def drop(self, fd, sock):
        del self.socks[fd]
        self.poll.unregister(fd)
        sock.close()


def serve(mode, host="127.0.0.1", port=0, size=0, mss=None):
    endpoint = Endpoint(mode, host, port, size, mss)
    return {"handle": keep(endpoint), "port": endpoint.port}


def stats(handle):
    endpoint = things[handle]
    return {"accepted": endpoint.accepted, "active": len(endpoint.socks)}


def stop(handle):
    """Listens no more, and ends all connections."""
    endpoint = things[handle]
    endpoint.stopped = True
    while endpoint.listener.fileno() != -1:
        time.sleep(0.01)
    return {}


# === clients ===


def dial(address, source, mss=None):
    sock = socket.socket()
    set_mss(sock, mss)
    sock.setblocking(False)
    if source is not None:
        sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind((source, 0))
    sock.connect_ex(address)
    return sock


def outcome_of(sock):
    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return errno.errorcode.get(code, str(code))


class Visit:
    """A short connection: sends, compares what comes back, ends its direction, and waits for the other's end.

    It does not end before: a client that has, and has no endpoint yet, is given little time.
    """

    def __init__(self, sock, payload):
        self.sock = sock
        self.payload = payload
        self.got = b""
        self.asked = False

    def go_on(self, poll, fd):
        """The outcome, or None while it is under way."""
        try:
            if not self.asked:
                self.sock.send(self.payload)
                self.asked = True
                return poll.modify(fd, select.EPOLLIN)
            data = self.sock.recv(CHUNK)
            if data:
                self.got += data
                if len(self.got) >= len(self.payload):
                    self.sock.shutdown(socket.SHUT_WR)
                return None
            if self.got == self.payload:
                return "ok"
            return "cut" if self.payload.startswith(self.got) else "wrong bytes"
        except BlockingIOError:
            return None
        except OSError as error:
            return name_of(error)


def churn(port, count, together, size=100, sources=("127.0.0.1",), secs=60, host="127.0.0.1"):
    """Short connections, so many at a time; counts their outcomes. Those left after `secs` are stuck."""
    poll = select.epoll()
    visits = {}
    outcomes = Counter()
    source = itertools.cycle(sources)
    left = count
    payload = os.urandom(size)
    started = time.monotonic()
    while (left or visits) and time.monotonic() - started < secs:
        while left and len(visits) < together:
            left -= 1
            sock = dial((host, port), next(source))
            visits[sock.fileno()] = Visit(sock, payload)
            poll.register(sock, select.EPOLLOUT)
        for fd, _ in poll.poll(0.2):
            outcome = visits[fd].go_on(poll, fd)
            if outcome is not None:
                outcomes[outcome] += 1
                poll.unregister(fd)
                visits.pop(fd).sock.close()
    for visit in visits.values():
        visit.sock.close()
    if left or visits:
        outcomes["stuck"] += left + len(visits)
    return {"outcomes": dict(outcomes), "secs": time.monotonic() - started}


def crowd(port, count, sources=("127.0.0.1",), mss=None):
    """Connections that stand. None sends anything yet."""
    source = itertools.cycle(sources)
    socks = []
    poll = select.epoll()
    for _ in range(count):
        sock = dial(("127.0.0.1", port), next(source), mss)
        socks.append(sock)
        poll.register(sock, select.EPOLLOUT)
        # No more SYNs at a time than queues take.
        if len(socks) % 256 == 0 or len(socks) == count:
            waiting = 256
            while waiting > 0 and (done := poll.poll(0.5)):
                for fd, _ in done:
                    poll.unregister(fd)
                waiting -= len(done)
    failed = Counter(outcome_of(sock) for sock in socks)
    return {"handle": keep(socks), "connected": failed.pop("0", 0), "failed": dict(failed)}


def ping(handle, secs=30):
    """Each sends a byte and waits for its echo; counts those who got it, and how the others ended."""
    poll = select.epoll()
    waiting = {}
    outcomes = Counter()
    for sock in things[handle]:
        try:
            sock.send(b"x")
            waiting[sock.fileno()] = sock
            poll.register(sock, select.EPOLLIN)
        except OSError as error:
            outcomes[name_of(error)] += 1
    until = time.monotonic() + secs
    while waiting and time.monotonic() < until:
        for fd, _ in poll.poll(0.2):
            sock = waiting.pop(fd)
            poll.unregister(fd)
            try:
                outcomes["ok" if sock.recv(1) == b"x" else "end"] += 1
            except OSError as error:
                outcomes[name_of(error)] += 1
    outcomes["silent"] += len(waiting)
    return {"outcomes": {name: count for name, count in outcomes.items() if count}}


def ends(handle, secs):
    """Reads and drops what comes until each has ended; counts the ends, and those that have not."""
    poll = select.epoll()
    waiting = {sock.fileno(): sock for sock in things[handle] if sock.fileno() != -1}
    for sock in waiting.values():
        poll.register(sock, select.EPOLLIN)
    outcomes = Counter()
    until = time.monotonic() + secs
    while waiting and time.monotonic() < until:
        for fd, _ in poll.poll(0.2):
            try:
                if waiting[fd].recv(CHUNK) != b"":
                    continue
                outcomes["end"] += 1
            except BlockingIOError:
                continue
            except OSError as error:
                outcomes[name_of(error)] += 1
            poll.unregister(fd)
            del waiting[fd]
    outcomes["open"] += len(waiting)
    return {"outcomes": {name: count for name, count in outcomes.items() if count}}


def leave(handle, how="fin"):
    for sock in things.pop(handle):
        if how == "reset":
            set_reset(sock)
        sock.close()
    return {}


OPERATIONS = {f.__name__: f for f in (serve, stats, stop, churn, crowd, ping, ends, leave)}


def answer(request):
    try:
        reply = {"value": OPERATIONS[request["op"]](**request["args"])}
    except Exception as error:  # told to the test, whatever it is
        reply = {"error": f"{type(error).__name__}: {error}"}
    with output:
        print(json.dumps({"id": request["id"], **reply}), flush=True)


for line in sys.stdin:
    threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()
os._exit(0)
