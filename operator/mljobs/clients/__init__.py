"""Implementations of the domain's JobService port. The only place that knows Google's client libraries."""
