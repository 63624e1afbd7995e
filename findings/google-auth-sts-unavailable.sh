#!/bin/sh
# google-auth 2.62.2: a token service that is unavailable is told in two ways, by the kind of the credentials.
#
# `refresh` documents RefreshError, whose `retryable` says whether another try may help. With a key file, a token
# service that answers 503 is asked again, and then RefreshError says retryable=True. With workload identity
# federation the same answer is, at once and without a second try, OAuthError, which is no RefreshError, and says
# retryable=False. A client that catches RefreshError misses it; one that trusts `retryable` takes an outage of
# STS for credentials that were refused.
#
# The script shows it with the library alone, against a token service on loopback that answers 503. It exits with 0
# while the library does so, and with 1 once it does not. What it needs is installed into a folder that it removes,
# from wherever pip is configured to look.
#
# Seen on 2026-11-29:
#   google-auth 2.62.2, the token service answers 503
#   key file: several tries, RefreshError, a RefreshError: True, retryable: True
#   federation: one try, OAuthError, a RefreshError: False, retryable: False
#   as described
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check google-auth==2.62.2 requests==2.34.2 cryptography==50.0.2

"$work/venv/bin/python" - "$work" <<'PYTHON'
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import identity_pool
from google.auth.exceptions import GoogleAuthError, RefreshError
from google.auth.transport.requests import Request
from google.oauth2 import service_account

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
asked = []


class Away(BaseHTTPRequestHandler):
    """A token service that is unavailable."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        asked.append(self.path)
        body = json.dumps({"error": "temporarily_unavailable"}).encode()
        self.send_response(503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Away)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/token"
subject = Path(sys.argv[1]) / "token"
subject.write_text("the token of a pod")
key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
key_file = {
    "type": "service_account",
    "private_key_id": "1",
    "private_key": key.decode(),
    "client_email": "a@p.example",
    "token_uri": url,
}
federation = {
    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": url,
    "credential_source": {"file": str(subject)},
}


def attempt(what, credentials):
    asked.clear()
    try:
        credentials.refresh(Request())
        told = "a token"
    except GoogleAuthError as error:
        told = f"{type(error).__name__}, a RefreshError: {isinstance(error, RefreshError)}, retryable: {error.retryable}"
    tries = "one try" if len(asked) == 1 else "several tries"
    print(f"{what}: {tries}, {told}")
    return tries, told


print(f"google-auth {version('google-auth')}, the token service answers 503")
same = [
    attempt("key file", service_account.Credentials.from_service_account_info(key_file, scopes=SCOPES))
    == ("several tries", "RefreshError, a RefreshError: True, retryable: True"),
    attempt("federation", identity_pool.Credentials.from_info(federation, scopes=SCOPES))
    == ("one try", "OAuthError, a RefreshError: False, retryable: False"),
]
print("as described" if all(same) else "NOT as described: the library has changed")
sys.exit(not all(same))
PYTHON
