# The socket to which services report (NOTIFY_SOCKET), at a path or an abstract name after an `@`. Each message is printed
# as one line of JSON, with the process id that the kernel vouches for.
import json
import socket
import struct
import sys

address = sys.argv[1]
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
sock.bind("\0" + address[1:] if address.startswith("@") else address)
print(json.dumps({"listening": address}), flush=True)
while True:
    text, ancillary, _, _ = sock.recvmsg(4096, socket.CMSG_SPACE(12))
    pid = struct.unpack("3i", ancillary[0][2])[0] if ancillary else 0
    print(json.dumps({"pid": pid, "lines": text.decode().split("\n")}), flush=True)
