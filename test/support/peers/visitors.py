# Clients that come and go all the time: each connects, sends a line, waits for its echo and leaves. Until standard input
# ends; then the counts of what happened to them, as one line of JSON. `--steady` lines report how many came so far.
import json
import socket
import sys
import threading
from collections import Counter

port, clients = int(sys.argv[1]), int(sys.argv[2])
outcomes = Counter()
stop = threading.Event()
lock = threading.Lock()


def visit(number):
    text = f"visitor {number}\n".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        sock.sendall(text)
        answer = b""
        while len(answer) < len(text):
            part = sock.recv(100)
            if not part:
                return "ended early"
            answer += part
    return "ok" if answer == text else "wrong answer"


def keep_visiting(number):
    while not stop.is_set():
        try:
            outcome = visit(number)
        except OSError as error:
            outcome = repr(error)
        with lock:
            outcomes[outcome] += 1
            if outcomes["ok"] % 500 == 0 and outcome == "ok":
                print(json.dumps({"visits": outcomes["ok"]}), flush=True)


threads = [threading.Thread(target=keep_visiting, args=(number,)) for number in range(clients)]
for thread in threads:
    thread.start()
sys.stdin.read()
stop.set()
for thread in threads:
    thread.join()
print(json.dumps({"outcomes": outcomes}), flush=True)
