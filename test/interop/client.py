"""Connects twice, the second time with the session of the first: port, CA file, version, name, what to say.

Prints a line of JSON for each connection: {"version", "resumed", "echo", "end"}.
"""

import json
import socket
import ssl
import sys

port, ca_file, version, name, said = int(sys.argv[1]), *sys.argv[2:6]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.load_verify_locations(ca_file)
context.minimum_version = context.maximum_version = ssl.TLSVersion["TLSv" + version.replace(".", "_")]


def connect(session):
    with socket.create_connection(("127.0.0.1", port), 20) as plain:
        # An end without close_notify is an error then.
        with context.wrap_socket(
            plain, server_hostname=name, session=session, suppress_ragged_eofs=False
        ) as tls:
            tls.sendall(said.encode())
            echo, end = b"", "close_notify"
            try:
                while data := tls.recv(4096):
                    echo += data
            except (ssl.SSLError, OSError) as error:
                end = repr(error)
            report = {"version": tls.version(), "resumed": tls.session_reused}
            print(json.dumps({**report, "echo": echo.decode(), "end": end}), flush=True)
            return tls.session


connect(connect(None))
