"""The methods of Vertex AI's jobs over the store, without any HTTP."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mljobs_dev.emulator.aiplatform.defaults import with_defaults
from mljobs_dev.emulator.aiplatform.document import aiplatform_v1, read_only
from mljobs_dev.emulator.aiplatform.errors import (
    not_found,
    permission_denied,
    rate_limited,
    still_active,
    wrong_bucket_region,
)
from mljobs_dev.emulator.aiplatform.jobs import Job, Place
from mljobs_dev.emulator.aiplatform.kinds import KINDS, Kind
from mljobs_dev.emulator.aiplatform.listing import (
    Cursor,
    job_filter,
    masked,
    page_of,
    page_size,
    read_mask,
)
from mljobs_dev.emulator.aiplatform.log_entries import job_entries
from mljobs_dev.emulator.aiplatform.scripting import Options
from mljobs_dev.emulator.aiplatform.store import Store
from mljobs_dev.emulator.aiplatform.validation import check_job, storage_uris
from mljobs_dev.emulator.clock import Clock, rfc3339_nano
from mljobs_dev.emulator.errors import ApiError
from mljobs_dev.emulator.jobs import encode
from mljobs_dev.emulator.log_entries import Entry
from mljobs_dev.emulator.projects import Projects, project_number
from mljobs_dev.emulator.quota import Quota
from mljobs_dev.emulator.scripting import Denial, Script
from mljobs_dev.emulator.service import EMPTY, Answer, Call
from mljobs_dev.emulator.storage import Storage
from mljobs_dev.emulator.subjects import Subject, text_labels

_OPERATION_TYPE = "type.googleapis.com/google.cloud.aiplatform.v1.DeleteOperationMetadata"
_EMPTY_TYPE = "type.googleapis.com/google.protobuf.Empty"


class VertexService:
    """Answers calls.

    Args:
        clock: emulated time.
        scripts: those in force.
        denials: the permissions that callers lack.
        storage: knows where buckets are.
    """

    def __init__(self, clock: Clock, scripts: list[Script], denials: list[Denial], storage: Storage) -> None:
        self.clock = clock
        self.options = Options()
        self.store = Store(clock, lambda: self.options, scripts)
        self._denials = denials
        self._storage = storage
        self._projects = Projects()
        self._operations = 0
        self._handlers: dict[str, Callable[[Kind, Place, Call], Answer]] = {
            "create": self._create,
            "get": self._get,
            "list": self._list,
            "cancel": self._cancel,
            "delete": self._delete,
        }

    def call(self, call: Call) -> Answer:
        """Answer one call.

        Raises:
            ApiError: any answer other than 200; nothing was applied then.
        """
        kind, verb = _kind_and_verb(call.method)
        place = self._place(call)
        subject = self.subject(call)
        permission = kind.permission(verb)
        if any(denial.denies(permission, subject) for denial in self._denials):
            raise self.forbidden(call)
        return self._handlers[verb](kind, place, call)

    def forbidden(self, call: Call) -> ApiError:
        """The answer to somebody who lacks the permission that a call needs."""
        kind, verb = _kind_and_verb(call.method)
        below = f"/{kind.collection}/{call.job_id}" if call.job_id else ""
        place = f"projects/{call.project}/locations/{call.location}{below}"
        return permission_denied(kind.permission(verb), place)

    def clear(self) -> None:
        """Forget all jobs, quotas and options."""
        self.store.clear()
        self.options = Options()

    def subject(self, call: Call) -> Subject:
        """What a call is about: by its path and, for a new job, by its unchecked body."""
        kind, verb = _kind_and_verb(call.method)
        place = self._place(call)
        body = call.body if isinstance(call.body, dict) else {}
        if verb == "create":
            name = body.get("displayName", body.get("display_name"))
            shown = name if isinstance(name, str) else ""
            return Subject(
                place.project, place.location, display_name=shown, labels=text_labels(body.get("labels"))
            )
        job = self.store.find(kind, place, call.job_id) if call.job_id else None
        if job is None:
            return Subject(place.project, place.location, call.job_id)
        return Subject(place.project, place.location, job.id, job.display_name, labels=job.labels)

    def take_quota(self, quota: Quota, call: Call, now: float) -> None:
        """Count a call towards its project's request quota in the region.

        Raises:
            ApiError: 429, over the quota.
        """
        place = self._place(call)
        over = quota.full(call.method, f"{place.project}/{place.location}", now)
        if over is not None:
            raise rate_limited(project_number(place.project), *over, place.location)

    def log_entries(self, project: str) -> Iterator[Entry]:
        """What the jobs of a project, named by id or number, have written up to now."""
        now = self.clock.now()
        for job in self.store.jobs(self._projects.named(project)):
            yield from job_entries(job, now)

    def _place(self, call: Call) -> Place:
        return Place(self._projects.named(call.project), call.location)

    def _job(self, kind: Kind, place: Place, call: Call) -> Job:
        job = self.store.find(kind, place, call.job_id)
        if job is None:
            raise not_found(kind.noun)
        return job

    def _create(self, kind: Kind, place: Place, call: Call) -> Answer:
        message = aiplatform_v1().message(kind.schema)
        given = message.decode(call.body, kind.payload)
        body = {name: value for name, value in given.items() if name not in read_only(kind.schema)}
        check_job(kind, body, place.location)
        self._check_buckets(kind, body, place.location)
        job = self.store.create(kind, place, message.prune(with_defaults(kind, body)))
        return Answer(encode(job.document(job.created)), applied=True, job_id=job.id)

    def _check_buckets(self, kind: Kind, body: Mapping[str, Any], location: str) -> None:
        for uri in storage_uris(kind, body):
            bucket = uri.removeprefix("gs://").partition("/")[0]
            found = self._storage.bucket_location(bucket)
            if found and found != location:
                raise wrong_bucket_region(uri, found, location)

    def _get(self, kind: Kind, place: Place, call: Call) -> Answer:
        return Answer(self._job(kind, place, call).encoded(self.clock.now()))

    def _list(self, kind: Kind, place: Place, call: Call) -> Answer:
        size = page_size(call.parameter("pageSize"))
        mask = read_mask(kind, call.parameter("readMask"))
        text = call.parameter("filter").strip()
        matches = job_filter(kind, text)
        cursor = Cursor.decode(call.parameter("pageToken"), shuffled=self.options.shuffle_lists)
        now = self.clock.now()
        shown = [
            job
            for job in self.store.all(kind, place)
            if job.created <= now - self.options.list_lag and (not text or matches(job.document(now)))
        ]
        page, token = page_of(shown, cursor, size, now)
        if not page:
            return Answer(EMPTY)
        answer: dict[str, Any] = {kind.collection: [masked(job.listed(now), mask) for job in page]}
        return Answer(encode({**answer, "nextPageToken": token} if token else answer))

    def _cancel(self, kind: Kind, place: Place, call: Call) -> Answer:
        aiplatform_v1().message(kind.cancel_schema).decode(call.body)
        job = self._job(kind, place, call)
        return Answer(EMPTY, applied=self.store.cancel(job))

    def _delete(self, kind: Kind, place: Place, call: Call) -> Answer:
        job = self._job(kind, place, call)
        if not job.state(self.clock.now()).terminal:
            raise still_active(kind.noun)
        parent = job.name.partition(f"/{kind.collection}/")[0]
        self.store.remove(job)
        self._operations += 1
        done = rfc3339_nano(self.clock.unix(self.clock.now()), digits=6)
        operation = {
            "name": f"{parent}/operations/{self._operations}",
            "metadata": {
                "@type": _OPERATION_TYPE,
                "genericMetadata": {"createTime": done, "updateTime": done},
            },
            "done": True,
            "response": {"@type": _EMPTY_TYPE},
        }
        return Answer(encode(operation), applied=True)


def _kind_and_verb(method: str) -> tuple[Kind, str]:
    _api, _projects, _locations, collection, verb = method.split(".")
    return KINDS[collection], verb
