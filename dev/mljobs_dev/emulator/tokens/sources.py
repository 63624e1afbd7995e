"""Where each behaviour of the token services is known from; the signs are those of `aiplatform.sources`.

D is the discovery documents of STS and IAM Credentials, of July and June 2026.
"""

from collections.abc import Mapping

from mljobs_dev.emulator.tokens.services import EXCHANGE, GENERATE

METHODS: Mapping[str, Mapping[str, str]] = {
    EXCHANGE: {
        "parameters in a form or in JSON": "O, method token; D, ExchangeTokenRequest",
        "RS256 and ES256 with a kid": "D, subjectToken",
        "iss, iat, exp, sub and aud are required": "D, subjectToken",
        "iat no more than 24 hours in the past": "D, subjectToken",
        "allowed audiences, by default the provider's name": "D, subjectToken; I, external-secrets 6979",
        "a subject is principal://…/subject/SUBJECT": "O, principal identifiers; I, auth 425",
        "answers expires_in, an hour": "D, ExchangeTokenResponse; O, workload identity federation",
        "errors in the form of OAuth 2.0": "I, auth 60, 161, 202 and 211",
        "a shorter lifetime": "?",
    },
    GENERATE: {
        "needs getAccessToken on the account": "O, roles of service account impersonation",
        "delegates, one after another": "D, GenerateAccessTokenRequest.delegates",
        "lifetime of an hour at most": "D, GenerateAccessTokenRequest.lifetime",
        "at least one scope": "D, GenerateAccessTokenRequest.scope",
        "expireTime in whole seconds": "O, example of an answer",
        "a disabled account": "O, disabling service accounts; ? for the text",
    },
}
"""What each method does, and where that is known from."""

RULES: Mapping[str, str] = {
    "errors.invalid_request": "I, auth 60; ? for names other than audience",
    "errors.invalid_audience": "I, auth 60 and 211",
    "errors.unknown_provider": "I, auth 161 and 202",
    "errors.access_token_denied": "I, auth 340, with its details; stratus-red-team 299",
    "errors.unauthenticated": "O, troubleshooting workload identity federation; ? for the reasons",
    "errors.scope_insufficient": "O, ErrorReason of google.api; ? for the details",
    "errors.lifetime_too_long": "?",
    "verify.subject_of": "I, cube 11046 for audiences; O for the issuer's keys; ? for other texts",
    "verify.unverified_subject": "?",
}
"""Where texts and rules are known from."""
