# TLS clients that connect, ask and leave, one after the other in several threads. Argument: JSON {port, ca, count, threads,
# names, header}: `names` are asked for in turn, null for no name; `header`: connections begin with a PROXY header. Ends when
# `count` handshakes were made and standard input has ended. Reports {done, serials} now and then, at the end {done, serials,
# failures}: how often each serial number was seen for each name, and what failed how often.
import json
import socket
import ssl
import sys
import threading
from collections import Counter

from echo import exchange

orders = json.loads(sys.argv[1])
closing = threading.Event()
lock = threading.Lock()
failures = Counter()
serials = {}
done = [0]


def context_of(name):
    context = ssl.create_default_context(cafile=orders["ca"])
    context.check_hostname = name is not None
    return context


# Sessions are not taken over from one connection to the next unless one says so.
contexts = {name: context_of(name) for name in orders["names"]}


def handshake(name):
    sock = socket.create_connection(("127.0.0.1", orders["port"]), timeout=30)
    sock.settimeout(30)
    if orders.get("header"):
        sock.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n")
    with contexts[name].wrap_socket(sock, server_hostname=name) as tls:
        exchange(tls)
        return tls.getpeercert()["serialNumber"].lower().lstrip("0")


def report(**rest):
    print(json.dumps({"done": done[0], "serials": serials, **rest}), flush=True)


def client(place):
    turn = place
    while not (closing.is_set() and done[0] >= orders["count"]):
        name = orders["names"][turn % len(orders["names"])]
        turn += 1
        try:
            serial = handshake(name)
        except Exception as error:
            with lock:
                failures[f"{name}: {type(error).__name__} {error}"] += 1
            continue
        with lock:
            seen = serials.setdefault(str(name), {})
            is_new = serial not in seen
            seen[serial] = seen.get(serial, 0) + 1
            done[0] += 1
            if is_new or done[0] % 50 == 0:
                report()


threads = [threading.Thread(target=client, args=(place,)) for place in range(orders["threads"])]
for thread in threads:
    thread.start()
sys.stdin.read()
closing.set()
for thread in threads:
    thread.join()
report(failures=failures)
