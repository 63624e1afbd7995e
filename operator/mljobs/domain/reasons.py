"""The words of a resource's conditions: each reason that the operator ever gives, and what it means.

The texts are for people who read `kubectl describe` and the documentation's table, which is made from here.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why a condition is as it is. The members' texts are a stable interface; see `MEANING`."""

    ACCEPTED = "Accepted"
    ADOPTED = "Adopted"
    OUTCOME_UNKNOWN = "OutcomeUnknown"
    THROTTLED = "Throttled"
    NO_CAPACITY = "NoCapacity"
    SERVICE_UNAVAILABLE = "ServiceUnavailable"
    INVALID_SPEC = "InvalidSpec"
    REJECTED = "Rejected"
    JOB_ID_TAKEN = "JobIdTaken"
    DENIED = "Denied"
    PROJECT_NOT_FOUND = "ProjectNotFound"
    NOTHING_TO_ADOPT = "NothingToAdopt"
    NOT_ALLOWED = "NotAllowed"
    TAKEN = "Taken"
    LABELS_CONTESTED = "LabelsContested"
    LOST = "Lost"
    FOUND_AGAIN = "FoundAgain"
    NOT_FINISHED = "NotFinished"
    JOB_SUCCEEDED = "JobSucceeded"
    PARTIALLY_SUCCEEDED = "PartiallySucceeded"
    JOB_FAILED = "JobFailed"
    JOB_CANCELLED = "JobCancelled"
    WATCHING = "Watching"
    FINISHED = "Finished"
    DELETING = "Deleting"
    RELEASED = "Released"
    SUSPENDED = "Suspended"
    SUSPENDING = "Suspending"
    RESUMING = "Resuming"
    NOT_SUSPENDED = "NotSuspended"
    WAITING = "Waiting"
    LEFT_BEHIND = "LeftBehind"
    EXTRA_JOB = "ExtraJob"
    SPEC_WARNING = "SpecWarning"
    NOT_STORED = "NotStored"
    EXACT = "Exact"
    LOSSY = "Lossy"


MEANING: dict[Reason, str] = {
    Reason.ACCEPTED: "The service has accepted the job.",
    Reason.ADOPTED: (
        "The service already had the job, and the operator goes on with it: one that this resource has "
        "submitted before, or one that it takes over."
    ),
    Reason.OUTCOME_UNKNOWN: (
        "The create call got no usable answer. The operator finds out whether the job exists; "
        "nothing is submitted twice."
    ),
    Reason.THROTTLED: "A quota of the project refused the call. The operator tries again later.",
    Reason.NO_CAPACITY: (
        "The project's quota of machines or accelerators is used up, or the region has none left. The "
        "operator tries again every few minutes; a spec that asks for others is tried at once."
    ),
    Reason.SERVICE_UNAVAILABLE: "The service cannot be reached or fails. The operator keeps trying.",
    Reason.INVALID_SPEC: "The spec breaks a rule; the message names field, value and rule. Correct the spec.",
    Reason.REJECTED: "The service refused the job; the message is its own. Correct the spec.",
    Reason.JOB_ID_TAKEN: (
        "The project has a job with this id that belongs to somebody else. Choose another spec.jobId."
    ),
    Reason.DENIED: (
        "The service denies the call. The message says what is missing: a permission, the credentials, or "
        "the project itself. The operator tries again slowly."
    ),
    Reason.PROJECT_NOT_FOUND: (
        "The service knows no such project. Correct spec.projectId, or have the administrator correct the "
        "default; the operator tries again slowly."
    ),
    Reason.NOTHING_TO_ADOPT: (
        "There is no such job to take over. Correct spec.projectId, spec.jobId or the annotation."
    ),
    Reason.NOT_ALLOWED: "The administrator does not allow this; the message names the setting.",
    Reason.TAKEN: (
        "The job no longer carries this resource's label mljobs-uid: another resource or somebody else has "
        "taken it over. It is neither changed nor cancelled any more."
    ),
    Reason.LABELS_CONTESTED: (
        "Somebody keeps changing labels of the job that the resource sets. The operator puts them right ever "
        "more rarely."
    ),
    Reason.LOST: (
        "The service no longer knows the job. It is never submitted again silently, and taken back if it is "
        "there again: make a new resource if it is still wanted."
    ),
    Reason.FOUND_AGAIN: "The service knows the job again, which it had denied; the job has not ended.",
    Reason.NOT_FINISHED: "The job has not ended.",
    Reason.JOB_SUCCEEDED: "The job has succeeded.",
    Reason.PARTIALLY_SUCCEEDED: "The job has succeeded in part; the message says what has failed.",
    Reason.JOB_FAILED: "The job has failed; the message is the service's own.",
    Reason.JOB_CANCELLED: "The job was cancelled.",
    Reason.WATCHING: "The service owns the job; the operator only watches it.",
    Reason.FINISHED: "The job has ended; there is nothing left to do.",
    Reason.DELETING: "The resource is being deleted; it goes away when its job is known to end.",
    Reason.RELEASED: (
        "The resource is being deleted, and nothing is left to do for the operator; another finalizer holds "
        "the resource."
    ),
    Reason.SUSPENDED: "spec.suspend is true: no job runs. Set it to false to start one.",
    Reason.SUSPENDING: "spec.suspend is true: what runs is being cancelled.",
    Reason.RESUMING: (
        "spec.suspend was true, and is so no longer: once the job that it has ended is cancelled, a new one "
        "is submitted."
    ),
    Reason.NOT_SUSPENDED: "spec.suspend is not true.",
    Reason.EXTRA_JOB: (
        "A create call that got no answer had made a job all the same, besides the one that the resource "
        "has. The operator cancels it."
    ),
    Reason.LEFT_BEHIND: (
        "The resource was let go while its job may still run; cancel it by hand if it is not wanted."
    ),
    Reason.NOT_STORED: (
        "The API server does not store what the operator writes about this resource; the message says why. "
        "What it shows may be old or incomplete."
    ),
    Reason.SPEC_WARNING: "The spec is legal, but something in it is deprecated or has no effect.",
    Reason.EXACT: "The service that runs the job can do all that the spec says.",
    Reason.LOSSY: (
        "The service that runs the job cannot do all that the spec says; the message names what is lost and "
        "what runs in its place."
    ),
    Reason.WAITING: "The resource cannot go on before somebody changes something; see Stalled.",
}
"""What each reason means, and what a user does about it."""

RECOVERED = "The service already had this resource's job, from an earlier try; the operator goes on with it."
"""`Adopted` in the message of a job whose create call was not answered."""

TAKEN_OVER = (
    "The service already had this job; the operator has taken it over, "
    "as the annotation mljobs.dev/adopt asks."
)
"""`Adopted` in the message of a job that the user has handed to the resource."""


STALLING = frozenset({Reason.DENIED, Reason.PROJECT_NOT_FOUND})
"""Why a call fails that is tried again, but in vain until somebody changes something."""


class ConditionType(StrEnum):
    """The conditions of a resource, in the order in which they are listed."""

    SUBMITTED = "Submitted"
    SUCCEEDED = "Succeeded"
    RECONCILING = "Reconciling"
    SUSPENDED = "Suspended"
    STALLED = "Stalled"
    TRANSLATED = "Translated"
