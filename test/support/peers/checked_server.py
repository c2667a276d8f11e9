# A server that health checks are tried on: what it does with a connection is told by lines of JSON on standard input, and
# can be changed while it runs. See checked-server.ts.
import json
import socket
import struct
import sys
import threading
import time

behaviour = {"kind": "close"}
accepted = 0
heads = []
held = []


def read_head(connection):
    head = b""
    while b"\n" not in head:
        more = connection.recv(4096)
        if not more:
            break
        head += more
    heads.append(head.decode("latin-1"))
    del heads[:-20]


def serve(connection):
    try:
        kind = behaviour["kind"]
        reply = behaviour.get("reply", "").encode("latin-1")
        if kind == "reset":
            read_head(connection)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif kind == "silent":
            held.append(connection)
            return
        elif kind == "greet":
            connection.sendall(reply)
            held.append(connection)
            return
        elif kind == "answer":
            read_head(connection)
            for part in behaviour.get("parts") or [behaviour.get("reply", "")]:
                connection.sendall(part.encode("latin-1"))
                time.sleep(0.005)
        elif kind == "flood":
            while True:
                connection.sendall(b"x" * 65536)
        connection.close()
    except OSError:
        connection.close()


def accept(listener):
    global accepted
    while True:
        connection, _ = listener.accept()
        accepted += 1
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
threading.Thread(target=accept, args=(listener,), daemon=True).start()
print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
for line in sys.stdin:
    told = json.loads(line)
    if told["op"] == "behave":
        behaviour = told["behaviour"]
        print("{}", flush=True)
    else:
        print(json.dumps({"accepted": accepted, "heads": heads}), flush=True)
