#!/bin/sh
# google-auth 2.62.2: google.auth.default(scopes=…) with workload identity federation needs Cloud Resource Manager.
#
# Given a valid external_account file and a token service that answers, the look-up of the credentials
#   1. exchanges a token, over a transport of the library's own, before anybody has asked for one;
#   2. sends it to cloudresourcemanager.googleapis.com, to learn the name of the pool's project (and, on a thread of
#      its own, to iamcredentials.googleapis.com, for regions that the account may use);
#   3. raises TransportError where that host cannot be reached: no credentials, although the exchange has succeeded
#      and the project is optional by the function's own description.
# None of this happens without scopes, nor with GOOGLE_CLOUD_PROJECT set. Scopes may be added afterwards:
#   credentials, _ = google.auth.default()
#   credentials = google.auth.credentials.with_scopes_if_required(credentials, scopes)
#
# The script shows it with the library alone, against a server on loopback that is the token service and the proxy
# to everywhere else. It exits with 0 while the library does so, and with 1 once it does not. What it needs is
# installed into a folder that it removes, from wherever pip is configured to look.
#
# Seen on 2026-11-29:
#   google-auth 2.62.2
#   default(scopes=…)
#     requests: POST /v1/token, CONNECT iamcredentials.googleapis.com:443, CONNECT cloudresourcemanager.googleapis.com:443
#     outcome:  TransportError
#   default(scopes=…) with GOOGLE_CLOUD_PROJECT
#     requests: none
#     outcome:  Credentials
#   default(), then the scopes
#     requests: none
#     outcome:  Credentials
#   default(), then the scopes, then refresh()
#     requests: POST /v1/token
#     outcome:  Credentials
#   as described
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check google-auth==2.62.2 requests==2.34.2

cat >"$work/load.py" <<'PYTHON'
import sys

import google.auth
from google.auth.credentials import with_scopes_if_required
from google.auth.exceptions import TransportError
from google.auth.transport.requests import Request

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]

try:
    if sys.argv[1] == "at once":
        credentials, _ = google.auth.default(scopes=SCOPES)
    else:
        credentials, _ = google.auth.default()
        credentials = with_scopes_if_required(credentials, SCOPES)
    if sys.argv[1] == "refresh":
        credentials.refresh(Request())
    print(type(credentials).__name__)
except TransportError:
    print("TransportError")
PYTHON

"$work/venv/bin/python" - "$work" <<'PYTHON'
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

asked = []


class Server(BaseHTTPRequestHandler):
    """The token service, and a proxy that connects nobody."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        asked.append(f"POST {self.path}")
        body = json.dumps({"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self):
        asked.append(f"CONNECT {self.path}")
        self.send_error(502)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
folder = Path(sys.argv[1])
(folder / "token").write_text("the token of a pod")
pool = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/provider"
configuration = {
    "type": "external_account",
    "audience": pool,
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": f"{url}/v1/token",
    "credential_source": {"file": str(folder / "token")},
}
(folder / "credentials.json").write_text(json.dumps(configuration))


def attempt(what, how, **more):
    asked.clear()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GOOGLE_APPLICATION_CREDENTIALS": str(folder / "credentials.json"),
        "HTTPS_PROXY": url,
        "NO_PROXY": "127.0.0.1",
        **more,
    }
    done = subprocess.run(
        [sys.executable, folder / "load.py", how],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=60,
    )
    outcome, requests = done.stdout.strip(), list(dict.fromkeys(asked))
    print(f"{what}\n  requests: {', '.join(requests) or 'none'}\n  outcome:  {outcome}")
    return requests, outcome


print(f"google-auth {version('google-auth')}")
exchange, manager = "POST /v1/token", "CONNECT cloudresourcemanager.googleapis.com:443"
requests, outcome = attempt("default(scopes=…)", "at once")
same = [
    requests[:1] == [exchange] and manager in requests and outcome == "TransportError",
    attempt("default(scopes=…) with GOOGLE_CLOUD_PROJECT", "at once", GOOGLE_CLOUD_PROJECT="any")
    == ([], "Credentials"),
    attempt("default(), then the scopes", "after") == ([], "Credentials"),
    attempt("default(), then the scopes, then refresh()", "refresh") == ([exchange], "Credentials"),
]
print("as described" if all(same) else "NOT as described: the library has changed")
sys.exit(not all(same))
PYTHON
