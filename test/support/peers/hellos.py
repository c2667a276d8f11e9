"""Clients that begin a TLS hello and do not go on, and others that do. Arguments: port, count, good ones, hello in hex.

Reports {"stuck": n} once all of the first have sent half of it, {"good": n, "slowest": secs} when the others have had
their hello back from an endpoint that echoes, and {"ends": {...}} when every one of the first has been ended.
"""

import collections
import json
import select
import socket
import sys
import time

port, count, good, hello = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), bytes.fromhex(sys.argv[4])
stuck = {}
poll = select.epoll()
for at in range(count):
    # Each address has all ports to connect from.
    sock = socket.create_connection(("127.0.0.1", port), 30, (f"127.0.0.{2 + at % 8}", 0))
    sock.sendall(hello[: 10 + at % (len(hello) - 20)])
    stuck[sock.fileno()] = sock
    poll.register(sock, select.EPOLLIN | select.EPOLLRDHUP)
print(json.dumps({"stuck": count}), flush=True)

done, slowest = 0, 0.0
for _ in range(good):
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), 30) as sock:
        sock.settimeout(30)
        sock.sendall(hello)
        back = b""
        while len(back) < len(hello):
            more = sock.recv(65536)
            if not more:
                break
            back += more
        done += back == hello
    slowest = max(slowest, time.monotonic() - begun)
print(json.dumps({"good": done, "slowest": slowest}), flush=True)

ends = collections.Counter()
deadline = time.monotonic() + 120
while stuck and time.monotonic() < deadline:
    for fd, _ in poll.poll(1):
        sock = stuck.pop(fd)
        try:
            ends["fin" if sock.recv(1) == b"" else "data"] += 1
        except ConnectionResetError:
            ends["reset"] += 1
        poll.unregister(sock)
        sock.close()
print(json.dumps({"ends": ends, "left": len(stuck)}), flush=True)
