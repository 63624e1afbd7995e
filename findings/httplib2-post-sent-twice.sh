#!/bin/sh
# httplib2 0.32.1 under google-api-python-client 2.202.0: a POST goes out twice although every retry is turned off.
#
# `execute(num_retries=0)` and `httplib2.RETRIES = 1` both say that a request is sent once. When the server ends the
# connection after it has read the request and before it has answered, httplib2 takes the connection for a stale one,
# opens another and sends the same request again, whatever its method. The caller sees one success. A create with a
# name chosen by the server makes two objects; a lost answer to a first request looks like an answer to it.
#
# The script counts the requests that reach a server which ends its first connection that way. It exits with 0 while
# httplib2 does so, and with 1 once it does not. What it needs is installed into a folder that it removes, from
# wherever pip is configured to look.
#
# Seen on 2026-11-30:
#   POST that was answered at once: 1 request at the server, status 200 for the caller
#   POST whose first connection ended without an answer: 2 requests at the server, status 200 for the caller
#   as described
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check google-api-python-client==2.202.0 httplib2==0.32.1

"$work/venv/bin/python" - <<'PYTHON'
import socket
import sys
import threading

import httplib2
from googleapiclient.http import HttpRequest

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def served(silent):
    """A server that reads a request on each connection, and ends so many first ones without an answer."""
    listener, bodies = socket.create_server(("127.0.0.1", 0)), []

    def serve():
        while True:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as incoming:
                length = 0
                while (line := incoming.readline()) not in (b"\r\n", b""):
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                bodies.append(incoming.read(length))
                if len(bodies) > silent:
                    connection.sendall(ANSWER)

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1], bodies


def sent(silent):
    port, bodies = served(silent)
    request = HttpRequest(
        httplib2.Http(timeout=5),
        lambda response, _: response.status,
        f"http://127.0.0.1:{port}/v1/jobs",
        method="POST",
        body='{"job": 1}',
        headers={"content-type": "application/json"},
    )
    status = request.execute(num_retries=0)
    assert set(bodies) == {b'{"job": 1}'}, bodies
    return len(bodies), status


httplib2.RETRIES = 1
answered, lost = sent(0), sent(1)
print("POST that was answered at once: %s request at the server, status %s for the caller" % answered)
print(
    "POST whose first connection ended without an answer: %s requests at the server, status %s for the caller" % lost
)
as_seen = answered == (1, 200) and lost == (2, 200)
print("as described" if as_seen else "NOT as described: has httplib2 changed?")
sys.exit(0 if as_seen else 1)
PYTHON
