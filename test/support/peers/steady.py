# Clients that never rest: threads that connect, ask and leave, one after the other, and connections that stay and are used
# all the time. Arguments: JSON {targets: [{port, ca?, name?}], threads, held}. Ends at the end of standard input and prints
# {asked, held, failures: {what: how often}}: an answer that is not the echo of what was asked is a failure too.
import json
import socket
import ssl
import sys
import threading
from collections import Counter

from echo import exchange

orders = json.loads(sys.argv[1])
stopping = threading.Event()
failures = Counter()
asked = [0]
lock = threading.Lock()
alive = [0]


def connect(target):
    sock = socket.create_connection(("127.0.0.1", target["port"]), timeout=20)
    sock.settimeout(20)
    if "ca" not in target:
        return sock
    context = ssl.create_default_context(cafile=target["ca"])
    return context.wrap_socket(sock, server_hostname=target["name"])


def note(error, kind):
    with lock:
        failures[f"{kind}: {type(error).__name__} {error}"] += 1


def visitor(target):
    while not stopping.is_set():
        try:
            with connect(target) as sock:
                exchange(sock)
            with lock:
                asked[0] += 1
        except OSError as error:
            note(error, "visitor")


def resident(target):
    try:
        with connect(target) as sock:
            with lock:
                alive[0] += 1
            while not stopping.wait(0.02):
                exchange(sock)
    except OSError as error:
        note(error, "resident")
        with lock:
            alive[0] -= 1


threads = [
    threading.Thread(target=work, args=(target,), daemon=True)
    for target in orders["targets"]
    for work, count in ((visitor, orders["threads"]), (resident, orders["held"]))
    for _ in range(count)
]
for thread in threads:
    thread.start()
while alive[0] < orders["held"] * len(orders["targets"]) and not failures:
    stopping.wait(0.01)
print("ready", flush=True)
sys.stdin.read()
stopping.set()
for thread in threads:
    thread.join(25)
print(json.dumps({"asked": asked[0], "held": alive[0], "failures": dict(failures)}), flush=True)
