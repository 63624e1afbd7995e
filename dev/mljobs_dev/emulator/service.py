"""The methods of the jobs API over the store, without any HTTP."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mljobs_dev.emulator import iam
from mljobs_dev.emulator import log_entries as logs
from mljobs_dev.emulator.clock import Clock
from mljobs_dev.emulator.errors import (
    ApiError,
    Violation,
    already_exists,
    job_not_found,
    permission_denied,
    refused_field,
)
from mljobs_dev.emulator.jobs import Job, encode
from mljobs_dev.emulator.listing import job_filter, page_size, page_token, read_page_token
from mljobs_dev.emulator.quota import Quota
from mljobs_dev.emulator.schema import ml_v1
from mljobs_dev.emulator.scripting import Denial
from mljobs_dev.emulator.settings import Settings
from mljobs_dev.emulator.store import Store
from mljobs_dev.emulator.subjects import Subject, text_labels
from mljobs_dev.emulator.validation import check_job, check_labels

EMPTY = b"{}"

_OUTPUT_ONLY = frozenset(
    {
        "createTime",
        "startTime",
        "endTime",
        "state",
        "errorMessage",
        "trainingOutput",
        "predictionOutput",
        "jobPosition",
        "etag",
    }
)
"""Fields of a Job that a create request may carry and that count for nothing."""

_LISTED_DAYS = 90
"""`list` shows jobs of so many (emulated) days only (documentation of jobs.list)."""

_MASKS = frozenset({"labels", "etag"})


@dataclass(frozen=True)
class Call:
    """One request of the API.

    Attributes:
        method: as the discovery document names it.
        project: of the path.
        job_id: of the path or, in `create`, of the body.
        query: the method's own query parameters, by their names in the discovery document.
        body: parsed JSON.
        location: of the path; empty where it has none.
    """

    method: str
    project: str = ""
    job_id: str = ""
    query: Mapping[str, str] | None = None
    body: Any = None
    location: str = ""

    def parameter(self, name: str) -> str:
        """A query parameter; empty if it is not given."""
        return (self.query or {}).get(name, "")


@dataclass(frozen=True)
class Answer:
    """A successful answer.

    Attributes:
        body: JSON.
        applied: whether the request changed any state.
        job_id: the id that the service gave to a new job; empty for other requests.
    """

    body: bytes
    applied: bool = False
    job_id: str = ""


class JobsService:
    """Answers calls.

    Args:
        settings: the emulator's settings.
        clock: emulated time.

    Attributes:
        denials: the permissions that callers lack, of all services.
        log_sources: whose lines Cloud Logging has.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.clock = clock
        self.store = Store(clock, still=settings.still)
        self.denials: list[Denial] = []
        self.log_sources: list[logs.Source] = [self._spoken]
        self._settings = settings
        self._policies = 0
        self._handlers: dict[str, Callable[[Call], Answer]] = {
            "ml.projects.jobs.create": self._create,
            "ml.projects.jobs.get": self._get,
            "ml.projects.jobs.list": self._list,
            "ml.projects.jobs.patch": self._patch,
            "ml.projects.jobs.cancel": self._cancel,
            "ml.projects.jobs.getIamPolicy": self._get_iam_policy,
            "ml.projects.jobs.setIamPolicy": self._set_iam_policy,
            "ml.projects.jobs.testIamPermissions": self._test_iam_permissions,
            "logging.entries.list": self._entries,
        }

    def call(self, call: Call) -> Answer:
        """Answer one call.

        Raises:
            ApiError: any answer other than 200; nothing was applied then.
        """
        permission = iam.PERMISSIONS.get(call.method)
        if permission and self._denied(permission, call):
            raise permission_denied(call.project)
        return self._handlers[call.method](call)

    def forbidden(self, call: Call) -> ApiError:
        """The answer to somebody who may do nothing in the project."""
        return permission_denied(call.project)

    def clear(self) -> None:
        """Forget everything but the settings."""
        self.store.clear()
        self.denials.clear()

    def take_quota(self, quota: Quota, call: Call, now: float) -> None:
        """Count a call towards its project's request quota.

        Raises:
            ApiError: 429, over the quota.
        """
        quota.take(call.method, call.project, now)

    def _denied(self, permission: str, call: Call) -> bool:
        subject = Subject(call.project, job_id=call.job_id)
        return any(denial.denies(permission, subject) for denial in self.denials)

    def _job(self, call: Call) -> Job:
        job = self.store.find(call.project, call.job_id)
        if job is None:
            raise job_not_found()
        return job

    def _create(self, call: Call) -> Answer:
        message = ml_v1().message("GoogleCloudMlV1__Job")
        given = message.decode(call.body, "job")
        body = {name: value for name, value in given.items() if name not in _OUTPUT_ONLY}
        check_job(body, self._settings.regions)
        if self.store.find(call.project, body["jobId"]) is not None:
            raise already_exists()
        job = self.store.create(call.project, message.prune(body))
        return Answer(encode(job.created_document(self.clock.now())), applied=True)

    def _get(self, call: Call) -> Answer:
        return Answer(self._job(call).encoded(self.clock.now()))

    def _list(self, call: Call) -> Answer:
        size = page_size(call.parameter("pageSize"))
        below = read_page_token(call.parameter("pageToken"))
        text = call.parameter("filter")
        matches = job_filter(text) if text.strip() else None
        now = self.clock.now()
        oldest = now - _LISTED_DAYS * 86400
        page: list[Job] = []
        more = False
        for job in self.store.newest(call.project, below):
            if job.created < oldest:
                break
            if matches is not None and not matches(job.document(now)):
                continue
            if len(page) == size:
                more = True
                break
            page.append(job)
        if not page:
            return Answer(EMPTY)
        jobs = b",".join(job.encoded(now) for job in page)
        token = b',"nextPageToken":' + encode(page_token(page[-1].sequence)) if more else b""
        return Answer(b'{"jobs":[' + jobs + b"]" + token + b"}")

    def _patch(self, call: Call) -> Answer:
        given = ml_v1().message("GoogleCloudMlV1__Job").decode(call.body, "job")
        mask = {path.strip() for path in call.parameter("updateMask").split(",") if path.strip()}
        if not mask:
            raise refused_field("update_mask", "The update mask should be specified.")
        for path in sorted(mask - _MASKS):
            text = f"The field '{path}' can not be updated. Options are [labels, etag]."
            raise refused_field("update_mask", text)
        job = self._job(call)
        now = self.clock.now()
        if "etag" in mask:
            self._check_etag(job, given.get("etag", ""), now)
        if "labels" not in mask:
            return Answer(job.encoded(now))
        labels = given.get("labels", {})
        violations = check_labels(labels)
        if violations:
            raise refused_field(violations[0].field, violations[0].description)
        job.set_labels(labels)
        return Answer(job.encoded(now), applied=True)

    def _check_etag(self, job: Job, etag: str, now: float) -> None:
        if not etag:
            raise refused_field("job.etag", "It should be specified when the update mask has etag.")
        if etag != job.etag(now):
            text = f"The etag '{etag}' is not that of the job: it has been changed since it was read."
            violation = Violation("job.etag", text)
            message = f"Field: {violation.field} Error: {violation.description}"
            raise ApiError(self._settings.stale_etag_status, message)

    def _cancel(self, call: Call) -> Answer:
        # The proto's CancelJobRequest has the name, which the discovery document leaves to the path.
        body = {name: value for name, value in call.body.items() if name != "name"}
        ml_v1().message("GoogleCloudMlV1__CancelJobRequest").decode(body)
        job = self._job(call)
        now = self.clock.now()
        state = job.state(now)
        if state.terminal:
            text = f"The job has already ended as {state}, and can not be cancelled."
            message = f"Field: name Error: {text}"
            raise ApiError(400, message, status="FAILED_PRECONDITION")
        timeline = job.timeline
        self.store.cancel(job)
        return Answer(EMPTY, applied=job.timeline is not timeline)

    def _get_iam_policy(self, call: Call) -> Answer:
        version = call.parameter("options.requestedPolicyVersion") or "0"
        if version not in ("0", "1", "3"):
            text = f"The version {version} should be 0, 1 or 3."
            raise refused_field("options.requested_policy_version", text)
        return Answer(encode(iam.read_policy(self._job(call).policy)))

    def _set_iam_policy(self, call: Call) -> Answer:
        message = ml_v1().message("GoogleIamV1__SetIamPolicyRequest")
        request = message.decode(call.body)
        job = self._job(call)
        self._policies += 1
        job.policy = iam.write_policy(job.policy, request, self._policies)
        return Answer(encode(job.policy), applied=True)

    def _test_iam_permissions(self, call: Call) -> Answer:
        request = ml_v1().message("GoogleIamV1__TestIamPermissionsRequest").decode(call.body)
        asked = request.get("permissions", [])
        for permission in asked:
            if "*" in permission:
                text = f"The permission '{permission}' should not have wildcards."
                raise refused_field("permissions", text)
        if self.store.find(call.project, call.job_id) is None:
            return Answer(EMPTY)
        held: list[str] = [permission for permission in asked if not self._denied(permission, call)]
        return Answer(encode({"permissions": held}) if held else EMPTY)

    def _entries(self, call: Call) -> Answer:
        return Answer(encode(logs.list_entries(call.body, self.log_sources)))

    def _spoken(self, project: str) -> Iterator[logs.Entry]:
        return logs.store_entries(self.store, self.clock, project)

    def subject(self, call: Call) -> Subject:
        """What a call is about: by its path or, where the path does not say, by its unchecked body."""
        body = call.body if isinstance(call.body, dict) else {}
        if call.method == "logging.entries.list":
            project, job_id = logs.names_of(body)
            return Subject(project, job_id=job_id)
        if call.method == "ml.projects.jobs.create":
            value = body.get("jobId", body.get("job_id"))
            job_id = value if isinstance(value, str) else ""
            return Subject(call.project, job_id=job_id, labels=text_labels(body.get("labels")))
        job = self.store.find(call.project, call.job_id)
        labels = job.body.get("labels", {}) if job else {}
        return Subject(call.project, job_id=call.job_id, labels=labels)
