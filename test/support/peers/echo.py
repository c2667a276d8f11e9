# What clients of an endpoint that echoes do.
import os


def exchange(sock):
    """Sends some bytes, and raises OSError unless the same come back."""
    question = os.urandom(32)
    sock.sendall(question)
    answer = b""
    while len(answer) < len(question):
        part = sock.recv(64)
        if not part:
            raise OSError("end of stream")
        answer += part
    if answer != question:
        raise OSError("another answer")
