"""Policies over the lifetime of a job, one file each: what to do next, by what has been observed so far."""
