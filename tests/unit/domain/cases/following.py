"""What follows from what is known in a case, as a document that people read."""

from dataclasses import MISSING, Field, fields
from datetime import datetime
from difflib import unified_diff
from typing import Any

import yaml
from pydantic.alias_generators import to_camel

from mljobs.api.base import JsonObject
from mljobs.domain.decide import decide, polled
from mljobs.domain.decide.decisions import AT_ONCE, Adopt, Answer, Decision, Settled, Submit
from mljobs.domain.job.resource import Intent, Target
from mljobs.domain.policies.deadlines import Exceeded
from mljobs.domain.policies.placements import Position
from mljobs.domain.policies.retry import Retry
from mljobs.domain.port import Job, Order
from mljobs.domain.show.events import transitions
from mljobs.domain.show.project import project
from mljobs.domain.spec.problems import Problem
from tests.unit.domain.cases.reading import Case, load, without_times

PROJECT = "project/"
"""Where the cases stand that show a status too."""

LONG = 80
"""Characters of a text that stands in lines of its own."""


def decided(case: Case) -> Decision:
    """The next step."""
    return decide(case.resource, case.known, case.policy, case.now)


def status(case: Case) -> JsonObject:
    """What the resource shows after that.

    Raises:
        ValueError: nothing is shown, since the next step is a call.
    """
    decision = decided(case)
    if not isinstance(decision, Settled):
        raise ValueError(f"{case.name}: {type(decision).__name__} is not shown in a status")
    return project(case.resource, case.known, decision, case.now)


def following(case: Case) -> JsonObject:
    """The next step, when to ask again, whether the poller watches, and in `project/` what is shown."""
    decision, watched = decided(case), polled(case.resource, case.known)
    document = {
        "next": type(decision).__name__,
        **_fields(decision),
        "again": _again(decision.again),
        "polled": "never" if watched is None else "rarely" if watched.lost else "often",
    }
    if not case.name.startswith(PROJECT):
        return document
    shown = status(case)
    events = [
        {"type": event.type, "reason": event.reason.value, "message": event.message}
        for event in transitions(case.resource.status, shown)
    ]
    return {**document, "status": shown, "events": events}


def _again(moment: datetime | None) -> str:
    if moment is None:
        return "when something changes"
    return "at once" if moment == AT_ONCE else _plain(moment)


def _fields(value: Any) -> JsonObject:
    """The fields of a value, but for those that say what they say by default."""
    document: JsonObject = {}
    for field in fields(value):
        held = getattr(value, field.name)
        if isinstance(held, Target):
            document |= {"job": held.job_name, "attempt": held.attempt}
        elif not (isinstance(value, Answer) and field.name == "again") and held != _default(field):
            document[to_camel(field.name)] = _plain(held)
    return document


def _default(field: Field[Any]) -> Any:
    return field.default if field.default is not MISSING else MISSING


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case Problem():
            return value.text
        case Job():
            return value.reference
        case Submit() | Adopt():
            return {"next": type(value).__name__, **_fields(value)}
        case Intent() | Order() | Exceeded() | Position() | Retry():
            return _fields(value)
        case str():
            return str(value)
        case dict():
            return {key: _plain(held) for key, held in value.items()}
        case list() | tuple():
            return [_plain(held) for held in value]
        case _:
            return value


def text(rule: str, document: JsonObject) -> str:
    """A file: the rule as its first line, and the document."""
    body = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=98, allow_unicode=True)
    return f"# {rule}\n{body}"


class _Dumper(yaml.CSafeDumper):
    """Writes times without quotes, long texts in lines of their own, and everything in full."""

    yaml_implicit_resolvers = without_times(yaml.CSafeDumper)

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _written(dumper: yaml.CSafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else ">" if len(value) > LONG and " " in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _written)


def difference(case: Case) -> str:
    """What is not in the file as it follows, line by line; empty where nothing is."""
    written = case.answer.read_text("utf-8") if case.answer.exists() else ""
    document = following(case)
    if written and load(written) == document and written.startswith(f"# {case.rule}\n"):
        return ""
    before = text(case.rule, load(written)) if written else ""
    lines = unified_diff(
        before.splitlines(keepends=True),
        text(case.rule, document).splitlines(keepends=True),
        f"{case.name}.out.yaml",
        "what follows",
    )
    return "".join(lines) or f"{case.name}.out.yaml: its first line is not that of the other file\n"
