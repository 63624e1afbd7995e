"""The patterns of names, each in one place: RE2 and Python read them alike, without anchors."""

DNS_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
"""A namespace, and each part of a resource's name (RFC 1123)."""

DNS_NAME = rf"{DNS_LABEL}([.]{DNS_LABEL})*"
"""A resource's name (RFC 1123 subdomain)."""

PROJECT = rf"([a-z0-9-]+([.][a-z0-9-]+)*:)?{DNS_LABEL}"
"""A Google Cloud project's id or number; an old one may be in a domain, `example.com:my-project`."""

JOB_ID = r"[A-Za-z][A-Za-z0-9_]{0,127}"
"""A job's id (AI Platform documentation of jobs.create)."""
