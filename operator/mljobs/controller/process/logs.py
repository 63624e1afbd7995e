"""Logging set-up: lines with the resource that they are about, as JSON objects or as text."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, TextIO

from pythonjsonlogger.json import JsonFormatter

from mljobs.domain.job.resource import Resource

_about: ContextVar[dict[str, object] | None] = ContextVar("about", default=None)


@contextmanager
def about(resource: Resource) -> Iterator[None]:
    """Add the resource's kind, namespace, name and uid, and its job's id, to the log lines inside."""
    target = resource.target
    token = _about.set(
        {
            "kind": resource.kind,
            "namespace": resource.namespace,
            "name": resource.name,
            "uid": resource.uid,
            **({"jobId": target.job_id, "attempt": target.attempt} if target else {}),
        }
    )
    try:
        yield
    finally:
        _about.reset(token)


class _Context(logging.Filter):
    """Adds the resource that the current task reconciles to each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.about = _about.get() or {}
        return True


class _Json(JsonFormatter):
    def process_log_record(self, log_data: dict[str, object]) -> dict[str, object]:
        about = log_data.pop("about", None)
        return super().process_log_record({**log_data, **(about if isinstance(about, dict) else {})})


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        about = getattr(record, "about", None)
        where = f"[{about['kind']} {about['namespace']}/{about['name']}] " if about else ""
        record.where = where
        return super().format(record)


def configure(stream: TextIO, *, form: Literal["json", "text"], level: str) -> None:
    """Send all log lines of this process to a stream, in one form."""
    handler = logging.StreamHandler(stream)
    handler.addFilter(_Context())
    if form == "json":
        handler.setFormatter(
            _Json(
                "%(asctime)s %(levelname)s %(name)s %(message)s %(about)s",
                rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
                datefmt="%Y-%m-%dT%H:%M:%S%z",
            )
        )
    else:
        handler.setFormatter(_Text("%(asctime)s %(levelname)-7s %(where)s%(message)s", datefmt="%H:%M:%S"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # kopf logs each handler call of each event
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    logging.getLogger("googleapiclient").setLevel(logging.WARNING)
