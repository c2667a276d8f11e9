"""Sends back what comes: port, certificate, key, version. A client must end by close_notify: one that does not is reset."""

import socket
import ssl
import struct
import sys
import threading

port, cert, key, version = int(sys.argv[1]), *sys.argv[2:5]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
context.minimum_version = context.maximum_version = ssl.TLSVersion["TLSv" + version.replace(".", "_")]


def serve(plain):
    try:
        tls = context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False)
        while data := tls.recv(4096):
            tls.sendall(data)
        tls.unwrap().close()
    except (ssl.SSLError, OSError):
        try:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        plain.close()


listener = socket.create_server(("127.0.0.1", port), backlog=64)
while True:
    accepted, _ = listener.accept()
    threading.Thread(target=serve, args=(accepted,), daemon=True).start()
