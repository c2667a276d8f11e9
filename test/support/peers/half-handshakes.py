"""Clients that begin a TLS handshake and do not go on, and others that do. Arguments: port, count, good ones, CA file, name,
hello in hex.

Every second of the first sends a part of the hello, the others all of it: those the server has answered. Reports
{"stuck": n, "answered": n}, {"good": n, "slowest": secs} when the others have had their bytes back from an endpoint that
echoes, and {"ends": {...}} when every one of the first has been ended.
"""

import collections
import json
import select
import socket
import ssl
import sys
import time

port, count, good = (int(word) for word in sys.argv[1:4])
ca_file, name, hello = sys.argv[4], sys.argv[5], bytes.fromhex(sys.argv[6])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.load_verify_locations(ca_file)
stuck = {}
whole = []
poll = select.epoll()
for at in range(count):
    # Each address has all ports to connect from.
    sock = socket.create_connection(("127.0.0.1", port), 60, (f"127.0.0.{2 + at % 8}", 0))
    sock.sendall(hello if at % 2 else hello[: 10 + at % (len(hello) - 20)])
    if at % 2:
        whole.append(sock)
    stuck[sock.fileno()] = sock
# A server's flight is there: hello, certificate, finished. It is left unread.
answered = sum(len(sock.recv(1, socket.MSG_PEEK)) for sock in whole)
print(json.dumps({"stuck": count, "answered": answered}), flush=True)

done, slowest = 0, 0.0
for _ in range(good):
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), 30) as plain:
        with context.wrap_socket(plain, server_hostname=name) as tls:
            tls.sendall(b"there and back")
            done += tls.recv(100) == b"there and back"
    slowest = max(slowest, time.monotonic() - begun)
print(json.dumps({"good": done, "slowest": slowest}), flush=True)

ends = collections.Counter()
for sock in stuck.values():
    poll.register(sock, select.EPOLLRDHUP)
deadline = time.monotonic() + 180
while stuck and time.monotonic() < deadline:
    for fd, event in poll.poll(1):
        sock = stuck.pop(fd)
        ends["reset" if event & select.EPOLLERR else "fin"] += 1
        poll.unregister(sock)
        sock.close()
print(json.dumps({"ends": ends, "left": len(stuck)}), flush=True)
