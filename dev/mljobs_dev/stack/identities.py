"""Whom the emulator's token services trust in a development stack: the stack's own cluster."""

import json
from pathlib import Path

from mljobs_dev.controlplane.client import ApiClient

PROVIDER = "projects/123456/locations/global/workloadIdentityPools/mljobs-dev/providers/cluster"
"""The provider that exchanges tokens of the cluster's ServiceAccounts."""


def write_identities(client: ApiClient, folder: Path) -> Path:
    """Write the file of identities for the emulator, and the keys of the cluster's tokens beside it.

    Args:
        client: may read the cluster's keys.
        folder: where the files are kept.

    Raises:
        ApiError: the API server does not tell its keys.
    """
    keys, file = folder / "jwks.json", folder / "identities.json"
    keys.write_text(json.dumps(client.get("/openid/v1/jwks")), "utf-8")
    oidc = {
        "issuerUri": client.get("/.well-known/openid-configuration")["issuer"],
        "jwksFile": str(keys),
    }
    file.write_text(json.dumps({"providers": [{"name": PROVIDER, "oidc": oidc}]}), "utf-8")
    return file
