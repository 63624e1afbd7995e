"""The conditions of a resource: every reason that the operator reports, and what it means.

The texts are for readers of `kubectl describe` and of the documentation's table, which is generated from
here.
"""

from enum import StrEnum


class Reason(StrEnum):
    """The reason of a condition or an Event. The values are a stable interface; see `MEANING`."""

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
    NO_JOB_CLASS = "NoJobClass"
    NOT_ALLOWED = "NotAllowed"
    LIMIT_REACHED = "LimitReached"
    TAKEN = "Taken"
    LABELS_CONTESTED = "LabelsContested"
    LOST = "Lost"
    FOUND_AGAIN = "FoundAgain"
    NOT_FINISHED = "NotFinished"
    JOB_SUCCEEDED = "JobSucceeded"
    PARTIALLY_SUCCEEDED = "PartiallySucceeded"
    JOB_FAILED = "JobFailed"
    JOB_CANCELLED = "JobCancelled"
    RETRYING = "Retrying"
    BACKOFF_LIMIT_EXCEEDED = "BackoffLimitExceeded"
    NEXT_PLACEMENT = "NextPlacement"
    PLACEMENTS_EXHAUSTED = "PlacementsExhausted"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    START_DEADLINE_EXCEEDED = "StartDeadlineExceeded"
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
    NOT_DUE = "NotDue"
    RUN_ACTIVE = "RunActive"
    REPLACING = "Replacing"
    NOT_CREATED = "NotCreated"
    NAME_TAKEN = "NameTaken"
    RUN_STARTED = "RunStarted"
    RUN_REPLACED = "RunReplaced"
    RUN_MISSED = "RunMissed"


MEANING: dict[Reason, str] = {
    Reason.ACCEPTED: "The service has accepted the job.",
    Reason.ADOPTED: (
        "The service already had the job, and the operator continues with it: a job that this resource has "
        "submitted before, or one that it adopts."
    ),
    Reason.OUTCOME_UNKNOWN: (
        "The create call got no usable answer. The operator checks whether the job exists; "
        "nothing is submitted twice."
    ),
    Reason.THROTTLED: (
        "The call has to wait for a quota of the project, or for an access token. The operator retries later."
    ),
    Reason.NO_CAPACITY: (
        "The project's quota of machines or accelerators is used up, or the region has none left. Unless the "
        "job has ended, the operator retries every few minutes; a changed spec is submitted at once."
    ),
    Reason.SERVICE_UNAVAILABLE: "The service cannot be reached or fails. The operator keeps retrying.",
    Reason.INVALID_SPEC: "The spec breaks a rule; the message names field, value and rule. Correct the spec.",
    Reason.REJECTED: "The service refused the job; the message is the service's. Correct the spec.",
    Reason.JOB_ID_TAKEN: (
        "The project has a job with this id that belongs to somebody else. Choose another spec.jobId."
    ),
    Reason.DENIED: (
        "The service denies the call. The message says what is missing: a permission, the credentials, or "
        "the project itself. The operator keeps retrying slowly."
    ),
    Reason.PROJECT_NOT_FOUND: (
        "The project does not exist. Correct spec.projectId, or have the administrator correct the default; "
        "the operator keeps retrying slowly."
    ),
    Reason.NOTHING_TO_ADOPT: (
        "There is no such job to adopt. Correct spec.projectId, spec.jobId or the annotation."
    ),
    Reason.NO_JOB_CLASS: (
        "There is no JobClass of this name, or none is named and none is the default. Name another one in "
        "spec.jobClassName, or have the administrator make it."
    ),
    Reason.NOT_ALLOWED: (
        "The administrator does not allow this; the message names the field, and the setting or the JobClass."
    ),
    Reason.LIMIT_REACHED: (
        "The JobClass's limits are reached, and the job waits for its turn; the message says which limit it "
        "is, and how many are before it. The operator submits it once there is room."
    ),
    Reason.TAKEN: (
        "The job no longer carries this resource's label mljobs-uid: another resource or somebody else has "
        "taken it over. It is no longer changed or cancelled."
    ),
    Reason.LABELS_CONTESTED: (
        "Another writer keeps changing labels of the job that the resource sets. The operator restores them "
        "with increasing delays."
    ),
    Reason.LOST: (
        "The service no longer has the job. It is not submitted again, and the operator resumes if it "
        "reappears: create a new resource if the job is still wanted."
    ),
    Reason.FOUND_AGAIN: "A job that was missing has reappeared; it has not ended.",
    Reason.NOT_FINISHED: "The job has not ended.",
    Reason.JOB_SUCCEEDED: "The job has succeeded.",
    Reason.PARTIALLY_SUCCEEDED: "The job has succeeded in part; the message says what has failed.",
    Reason.JOB_FAILED: "The job has failed; the message is the service's.",
    Reason.JOB_CANCELLED: "The job was cancelled.",
    Reason.RETRYING: "The attempt has failed, and another one is submitted after a while.",
    Reason.BACKOFF_LIMIT_EXCEEDED: (
        "The job has failed, and so have as many attempts before it as spec.backoffLimit allows; the message "
        "is the service's."
    ),
    Reason.NEXT_PLACEMENT: (
        "A placement has refused the job for lack of quota or machines, and the next of spec.placements is "
        "tried."
    ),
    Reason.PLACEMENTS_EXHAUSTED: (
        "All of spec.placements were tried, in as many rounds as spec.placementPolicy says; the message says "
        "how the last one has ended. If that one has refused the job, add placements or rounds, or request a "
        "retry."
    ),
    Reason.DEADLINE_EXCEEDED: (
        "spec.activeDeadlineSeconds have passed since the first attempt was accepted: the job is cancelled, "
        "and no other is submitted."
    ),
    Reason.START_DEADLINE_EXCEEDED: (
        "The job was not RUNNING within spec.startDeadlineSeconds, and is cancelled."
    ),
    Reason.WATCHING: "The service owns the job; the operator only watches it.",
    Reason.FINISHED: "The job has ended; there is nothing left to do.",
    Reason.DELETING: "The resource is being deleted; it is released once its job is known to end.",
    Reason.RELEASED: (
        "The resource is being deleted, and the operator has nothing left to do; another finalizer blocks "
        "the deletion."
    ),
    Reason.SUSPENDED: (
        "spec.suspend is true: no job runs, and a schedule starts no further ones. Set it to false to go on."
    ),
    Reason.SUSPENDING: "spec.suspend is true: the running job is being cancelled.",
    Reason.RESUMING: (
        "spec.suspend is no longer true: once the job that it ended has been cancelled, a new one is "
        "submitted."
    ),
    Reason.NOT_SUSPENDED: "spec.suspend is not true.",
    Reason.EXTRA_JOB: (
        "A create call that got no answer has created an additional job, besides the one that the resource "
        "has. The operator cancels it."
    ),
    Reason.LEFT_BEHIND: (
        "The resource was released while its job may still run; cancel it manually if it is not wanted."
    ),
    Reason.NOT_STORED: (
        "The API server rejects the operator's writes to this resource; the message says why. "
        "Its status may be outdated or incomplete."
    ),
    Reason.SPEC_WARNING: "The spec is legal, but something in it is deprecated or has no effect.",
    Reason.EXACT: "The service that runs the job supports everything in the spec.",
    Reason.LOSSY: (
        "The service that runs the job does not support everything in the spec; the message names what is "
        "lost and what is used instead."
    ),
    Reason.WAITING: "The resource cannot proceed until somebody changes something; see Stalled.",
    Reason.NOT_DUE: "No run is due that was not started.",
    Reason.RUN_ACTIVE: (
        "A run is due, and an earlier one has not ended. concurrencyPolicy is Forbid: it is started once the "
        "earlier one has ended, unless startingDeadlineSeconds have passed by then."
    ),
    Reason.REPLACING: (
        "A run is due, and takes the place of an earlier one. It is started once the job of the earlier one "
        "is known to end."
    ),
    Reason.NOT_CREATED: (
        "A run is due, and the API server refuses to create it; the message is the API server's. The "
        "operator keeps trying until the next run is due."
    ),
    Reason.NAME_TAKEN: (
        "A run is due, and another resource has its name. Delete or rename that one; the operator keeps "
        "trying until the next run is due."
    ),
    Reason.RUN_STARTED: "The schedule has made the resource of a run.",
    Reason.RUN_REPLACED: (
        "A run that has not ended is deleted, and its job cancelled, since the next one takes its place."
    ),
    Reason.RUN_MISSED: "Runs of the schedule were not started in time, and are not started any more.",
}
"""What each reason means, and what the user does about it."""

RECOVERED = (
    "The service already had this resource's job, from an earlier call; the operator continues with it."
)
"""The message of `Adopted` for a job whose create call was not answered."""

TAKEN_OVER = (
    "The service already had this job; the operator has adopted it, "
    "as the annotation mljobs.dev/adopt requests."
)
"""The message of `Adopted` for a job that the annotation names."""


STALLING = frozenset({Reason.DENIED, Reason.PROJECT_NOT_FOUND})
"""Reasons of retries that cannot succeed until somebody changes something."""


class ConditionType(StrEnum):
    """The conditions of a resource, in the order in which they are listed."""

    SUBMITTED = "Submitted"
    SUCCEEDED = "Succeeded"
    RECONCILING = "Reconciling"
    SUSPENDED = "Suspended"
    STALLED = "Stalled"
    TRANSLATED = "Translated"
    DUE = "Due"
