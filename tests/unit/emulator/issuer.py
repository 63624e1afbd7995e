"""An OpenID Connect issuer like an API server: keys made for the run, and tokens signed with them."""

import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

Json = dict[str, Any]

ISSUER = "https://kubernetes.default.svc.cluster.local"
POOL = "projects/123456/locations/global/workloadIdentityPools/clusters"
PROVIDER = f"{POOL}/providers/dev-1"
AUDIENCE = f"//iam.googleapis.com/{PROVIDER}"
TOKEN_AUDIENCE = f"https:{AUDIENCE}"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def account_subject(namespace: str, name: str) -> str:
    """The subject of a ServiceAccount's tokens."""
    return f"system:serviceaccount:{namespace}:{name}"


def principal(subject: str) -> str:
    """The member of IAM policies that a subject of the pool is."""
    return f"principal://iam.googleapis.com/{POOL}/subject/{subject}"


class Issuer:
    """Makes tokens; each has a key of its own."""

    def __init__(self, key_id: str = "k1") -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.key_id = key_id

    @property
    def jwks(self) -> str:
        """The keys as a JSON Web Key Set."""
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return json.dumps({"keys": [{**public, "kid": self.key_id, "alg": "RS256", "use": "sig"}]})

    def provider(self, **changes: Any) -> Json:
        """The provider that trusts it."""
        return {"name": PROVIDER, "oidc": {"issuerUri": ISSUER, "jwksJson": self.jwks}, **changes}

    def token(self, subject: str, now: float, **claims: Any) -> str:
        """A token for ten minutes; None leaves a claim out."""
        whole = {
            "iss": ISSUER,
            "sub": subject,
            "aud": [TOKEN_AUDIENCE],
            "iat": int(now),
            "exp": int(now) + 600,
            **claims,
        }
        kept = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(kept, self.key, "RS256", headers={"kid": self.key_id})


def exchange(token: str, **changes: str | None) -> dict[str, str]:
    """The form of an exchange at STS; None leaves a parameter out."""
    whole = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "audience": AUDIENCE,
        "scope": SCOPE,
        "subject_token": token,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}
