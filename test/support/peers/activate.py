# Starts a program as systemd's socket activation does: listens, and passes the sockets as descriptors 3 and so on.
#   activate.py OPTIONS... PROGRAM ARGUMENTS...
#     --listen IP:PORT[:NAME]  a TCP socket that listens
#     --file PATH              a file in place of a socket
#     --pid PID                LISTEN_PID, where it is not to be the program's own
#     --queued COUNT           waits, before it starts the program, until so many connections wait in the first socket
import os
import socket
import struct
import sys
import time

def waiting(listener):
    """How long the accept queue is: tcpi_unacked of a listening socket."""
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return struct.unpack_from("=8B5I", info)[8 + 4]


def listen(place):
    ip, port, *name = place.rsplit(":", 2) if place.count(":") == 2 else place.rsplit(":", 1)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((ip, int(port)))
    listener.listen(4096)
    return listener, (name or ["test"])[0]


arguments = sys.argv[1:]
passed, pid, queued = [], os.getpid(), 0
while arguments and arguments[0].startswith("--"):
    option, value = arguments[:2]
    del arguments[:2]
    if option == "--listen":
        passed.append(listen(value))
    elif option == "--file":
        passed.append((open(value, "rb"), "file"))
    elif option == "--pid":
        pid = value
    elif option == "--queued":
        queued = int(value)

while queued > 0 and waiting(passed[0][0]) < queued:
    time.sleep(0.01)

# Numbers above those that they are to have, so that none is overwritten.
copies = [os.dup2(thing.fileno(), 100 + index) for index, (thing, _) in enumerate(passed)]
for index, copy in enumerate(copies):
    os.dup2(copy, 3 + index)
    os.close(copy)
os.environ["LISTEN_PID"] = str(pid)
os.environ["LISTEN_FDS"] = str(len(passed))
os.environ["LISTEN_FDNAMES"] = ":".join(name for _, name in passed)
os.execvp(arguments[0], arguments)
