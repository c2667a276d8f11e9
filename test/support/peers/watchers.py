# Clients that watch one name. Reads commands on standard input, a line each:
#   open COUNT     opens COUNT watches and prints "open SECONDS" once each has its first line
#   wait TEXT      prints "all MEAN MAX" once each has a line with TEXT, in seconds since the command
import select
import socket
import sys
import time

port, target = int(sys.argv[1]), sys.argv[2]
request = f"GET {target} HTTP/1.1\r\nHost: namerd\r\n\r\n".encode()
poller = select.epoll()
clients = {}


def collect(wanted, since):
    waiting = {fd for fd in clients}
    times = []
    deadline = since + 20
    while waiting and time.time() < deadline:
        for fd, _ in poller.poll(1):
            clients[fd][1] += clients[fd][0].recv(65536)
            if fd in waiting and wanted in clients[fd][1]:
                waiting.discard(fd)
                times.append(time.time() - since)
                clients[fd][1] = b""
    return times, len(waiting)


def say(text):
    print(text, flush=True)


for line in sys.stdin:
    command, argument = line.rstrip("\n").split(" ", 1)
    begun = time.time()
    if command == "open":
        for _ in range(int(argument)):
            client = socket.create_connection(("127.0.0.1", port))
            client.sendall(request)
            poller.register(client, select.EPOLLIN)
            clients[client.fileno()] = [client, b""]
        # The end of the first line's chunk; the head ends otherwise.
        times, missing = collect(b"}\n\r\n", begun)
        say(f"missing {missing}" if missing else f"open {max(times):.3f}")
    else:
        times, missing = collect(argument.encode(), begun)
        say(f"missing {missing}" if missing else f"all {sum(times) / len(times):.3f} {max(times):.3f}")
