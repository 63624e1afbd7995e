"""The control surface: what tests say to the emulator and ask of it, beside the API."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mljobs_dev.emulator.aiplatform.scripting import TrainingQuota
from mljobs_dev.emulator.aiplatform.service import VertexService
from mljobs_dev.emulator.aiplatform.states import ml_v1_state
from mljobs_dev.emulator.clock import Clock
from mljobs_dev.emulator.errors import ApiError
from mljobs_dev.emulator.jobs import encode
from mljobs_dev.emulator.ledger import FILTERS, Ledger
from mljobs_dev.emulator.quota import Quota
from mljobs_dev.emulator.schema import parse_json_value
from mljobs_dev.emulator.scripting import (
    Body,
    BucketPlace,
    Denial,
    Fault,
    Faults,
    Forced,
    Script,
    read_bodies,
    read_body,
)
from mljobs_dev.emulator.service import JobsService
from mljobs_dev.emulator.settings import Settings
from mljobs_dev.emulator.storage import Storage
from mljobs_dev.emulator.storage_api import StorageApi
from mljobs_dev.emulator.tokens.services import TokenServices

PREFIX = "/_emulator/"
DONE = b"{}"

_JOB = re.compile(r"/_emulator/jobs/(?P<project>[^/]+)/(?P<job>[^/]+)")
_BUCKET = re.compile(r"/_emulator/buckets/(?P<bucket>[^/]+)")


@dataclass
class Emulator:
    """Everything that one emulator holds.

    Attributes:
        settings: chosen at its start.
        clock: emulated time.
        service: the methods of ml v1's jobs, and of Cloud Logging.
        vertex: the methods of Vertex AI's jobs.
        storage: the buckets of Cloud Storage.
        storage_api: the methods of its API.
        faults: the faults in force.
        ledger: the record of requests.
        quota: the requests of the last minute, where quotas are enforced.
        tokens: the token services, and who callers are.
    """

    settings: Settings = field(default_factory=Settings)
    clock: Clock = field(init=False)
    service: JobsService = field(init=False)
    vertex: VertexService = field(init=False)
    storage: Storage = field(init=False)
    storage_api: StorageApi = field(init=False)
    faults: Faults = field(init=False, default_factory=Faults)
    ledger: Ledger = field(init=False)
    quota: Quota = field(init=False, default_factory=Quota)
    tokens: TokenServices = field(init=False)
    monotonic: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.clock = Clock(self.settings.speed, monotonic=self.monotonic)
        self.tokens = TokenServices(self.settings.identities)
        self.service = JobsService(self.settings, self.clock)
        self.storage = Storage()
        self.storage_api = StorageApi(self.storage, self.service.denials)
        store, denials = self.service.store, self.service.denials
        self.vertex = VertexService(self.clock, store.scripts, denials, self.storage)
        self.service.log_sources.append(self.vertex.log_entries)
        self.ledger = Ledger(self.settings.ledger_limit)

    def reset(self) -> None:
        """Forget all jobs, objects, rows, faults, scripts, denials, quotas, options and tokens.

        Identities are again those of the start.
        """
        self.service.clear()
        self.vertex.clear()
        self.storage.clear()
        self.faults.clear()
        self.ledger.clear()
        self.quota.clear()
        self.tokens = TokenServices(self.settings.identities)


def control(emulator: Emulator, verb: str, path: str, query: Mapping[str, str], body: bytes) -> bytes:
    """Answer a request of the control surface.

    Args:
        emulator: whom it is about.
        verb: the HTTP method.
        path: starts with `/_emulator/`.
        query: the query's parameters.
        body: JSON, or nothing.

    Returns:
        The JSON of the answer.

    Raises:
        ApiError: 400 that names field, value and rule; 404 for an unknown path.
    """
    job = _JOB.fullmatch(path)
    if job:
        return _job(emulator, verb, job["project"], job["job"], body)
    bucket = _BUCKET.fullmatch(path)
    if bucket:
        return _bucket(emulator, verb, bucket["bucket"], body)
    handler = _HANDLERS.get((verb, path.removeprefix(PREFIX)))
    if handler is None:
        known = ", ".join(f"{known} {PREFIX}{name}" for known, name in _HANDLERS)
        text = f"{verb} {path} is no request of the control surface; these are: {known}"
        raise ApiError(404, text)
    return handler(emulator, query, body)


def _ledger(emulator: Emulator, query: Mapping[str, str], _body: bytes) -> bytes:
    unknown = set(query) - {"after", *FILTERS}
    if unknown:
        allowed = ", ".join(("after", *FILTERS))
        raise ApiError(400, f"{min(unknown)}: is no parameter of the ledger; these are: {allowed}")
    after = query.get("after", "0")
    if not after.isdecimal():
        raise ApiError(400, f"after: {after!r} is not a row's number")
    equal = {name: text for name, text in query.items() if name != "after"}
    rows = [row.as_json() for row in emulator.ledger.rows(int(after), equal)]
    return encode({"effects": rows, "dropped": emulator.ledger.dropped})


def _health(emulator: Emulator, _query: Mapping[str, str], _body: bytes) -> bytes:
    return encode(
        {
            "status": "ok",
            "speed": emulator.settings.speed,
            "jobs": len(emulator.service.store) + len(emulator.vertex.store),
        },
    )


def _show_faults(emulator: Emulator, _query: Mapping[str, str], _body: bytes) -> bytes:
    return encode({"faults": emulator.faults.as_json()})


def _add_faults(emulator: Emulator, _query: Mapping[str, str], body: bytes) -> bytes:
    emulator.faults.add(read_bodies(Fault, parse_json_value(body)))
    return DONE


def _clear_faults(emulator: Emulator, _query: Mapping[str, str], _body: bytes) -> bytes:
    emulator.faults.clear()
    return DONE


def _add_scripts(emulator: Emulator, _query: Mapping[str, str], body: bytes) -> bytes:
    scripts = read_bodies(Script, parse_json_value(body))
    emulator.service.store.add_scripts(scripts)
    emulator.vertex.store.follow_scripts(scripts)
    return DONE


def _clear_scripts(emulator: Emulator, _query: Mapping[str, str], _body: bytes) -> bytes:
    emulator.service.store.clear_scripts()
    return DONE


def _add_denials(emulator: Emulator, _query: Mapping[str, str], body: bytes) -> bytes:
    emulator.service.denials += read_bodies(Denial, parse_json_value(body))
    return DONE


def _clear_denials(emulator: Emulator, _query: Mapping[str, str], _body: bytes) -> bytes:
    emulator.service.denials.clear()
    return DONE


def _add_quotas(emulator: Emulator, _query: Mapping[str, str], body: bytes) -> bytes:
    emulator.vertex.store.quotas += read_bodies(TrainingQuota, parse_json_value(body))
    return DONE


def _clear_quotas(emulator: Emulator, _query: Mapping[str, str], _body: bytes) -> bytes:
    emulator.vertex.store.quotas.clear()
    return DONE


def _changed(present: Body, body: bytes) -> Body:
    """A model with the members that a body gives; the others keep their values."""
    given = parse_json_value(body)
    shown = present.model_dump(mode="json", by_alias=True)
    return read_body(type(present), {**shown, **given} if isinstance(given, dict) else given)


def _show_options(emulator: Emulator, _query: Mapping[str, str], _body: bytes) -> bytes:
    return encode(emulator.vertex.options.model_dump(mode="json", by_alias=True))


def _set_options(emulator: Emulator, query: Mapping[str, str], body: bytes) -> bytes:
    """Set the options that are given; the others keep their values."""
    emulator.vertex.options = _changed(emulator.vertex.options, body)
    return _show_options(emulator, query, b"")


def _show_identities(emulator: Emulator, _query: Mapping[str, str], _body: bytes) -> bytes:
    return encode(emulator.tokens.identities.model_dump(mode="json", by_alias=True))


def _set_identities(emulator: Emulator, query: Mapping[str, str], body: bytes) -> bytes:
    """Set the members that are given; the others keep their values, and so do tokens that were issued."""
    emulator.tokens.identities = _changed(emulator.tokens.identities, body)
    return _show_identities(emulator, query, b"")


def _revoke(emulator: Emulator, query: Mapping[str, str], _body: bytes) -> bytes:
    """Revoke the access tokens of those whose identity matches a regular expression, or of all."""
    pattern = query.get("identity", "")
    try:
        return encode({"revoked": emulator.tokens.tokens.revoke(pattern)})
    except re.error as error:
        raise ApiError(400, f"identity: {pattern!r} is no regular expression: {error}") from None


def _reset(emulator: Emulator, _query: Mapping[str, str], _body: bytes) -> bytes:
    emulator.reset()
    return DONE


def _bucket(emulator: Emulator, verb: str, bucket: str, body: bytes) -> bytes:
    """Say where a bucket is (POST), or that there is none (DELETE)."""
    if verb == "DELETE":
        emulator.storage.drop_bucket(bucket)
    elif verb == "POST":
        emulator.storage.locate_bucket(bucket, read_body(BucketPlace, parse_json_value(body)).location)
    else:
        text = f"{verb} is no request for a bucket; use POST to say where it is, DELETE to drop it"
        raise ApiError(404, text)
    return DONE


def _job(emulator: Emulator, verb: str, project: str, name: str, body: bytes) -> bytes:
    """Force a state (POST) or make a job vanish (DELETE): one of ml v1, or else one of Vertex AI."""
    job = emulator.service.store.find(project, name)
    other = emulator.vertex.store.named(project, name) if job is None else None
    if job is None and other is None:
        raise ApiError(404, f"jobId: there is no job {name!r} in project {project!r}")
    if verb == "DELETE":
        if job is not None:
            emulator.service.store.remove(job)
        if other is not None:
            emulator.vertex.store.remove(other)
        return DONE
    if verb != "POST":
        raise ApiError(404, f"{verb} is no request for a job; use POST to force a state, DELETE to drop it")
    for step in read_bodies(Forced, parse_json_value(body)):
        try:
            if job is not None:
                emulator.service.store.force(job, ml_v1_state(step.state), step.error_message)
            if other is not None:
                emulator.vertex.store.force(other, step.state, step.error_message)
        except ValueError as error:
            raise ApiError(400, f"state: {error}") from None
    found = job or other
    return found.encoded(emulator.clock.now()) if found is not None else DONE


_HANDLERS: dict[tuple[str, str], Callable[[Emulator, Mapping[str, str], bytes], bytes]] = {
    ("GET", "ledger"): _ledger,
    ("GET", "health"): _health,
    ("GET", "faults"): _show_faults,
    ("POST", "faults"): _add_faults,
    ("DELETE", "faults"): _clear_faults,
    ("POST", "scripts"): _add_scripts,
    ("DELETE", "scripts"): _clear_scripts,
    ("POST", "permissions"): _add_denials,
    ("DELETE", "permissions"): _clear_denials,
    ("POST", "quotas"): _add_quotas,
    ("DELETE", "quotas"): _clear_quotas,
    ("GET", "options"): _show_options,
    ("POST", "options"): _set_options,
    ("GET", "identities"): _show_identities,
    ("POST", "identities"): _set_identities,
    ("DELETE", "tokens"): _revoke,
    ("POST", "reset"): _reset,
}
