"""What to do next before the service has taken the job, and when that is not certain."""

from mljobs.domain import errors
from mljobs.domain.decide.decisions import (
    Finish,
    Hold,
    Keep,
    Look,
    Record,
    Refuse,
    Stall,
    Submit,
    Wait,
    Watch,
)
from mljobs.domain.job.observation import Method
from tests.unit.domain.decide_case import ADOPTION, STRANGER, Cases, trouble
from tests.unit.domain.world import NOW, TARGET, intent, job, later, observed, resource, stalled, status

SUBMISSION_CASES: Cases = {
    "new": (resource(), None, Submit),
    "another controller's": (resource(spec={"managedBy": "example.com/x"}), None, Keep()),
    "another controller's, whatever else is wrong": (
        resource(spec={"managedBy": "example.com/x", "trainingInput": {}}, intended=intent()),
        observed(job=job()),
        Keep(),
    ),
    "ours by name": (resource(spec={"managedBy": "mljobs.dev/operator"}), None, Submit),
    "invalid": (resource(spec={"trainingInput": {}}), None, Refuse),
    "suspended from the start": (resource(spec={"suspend": True}), None, Hold),
    "invalid and suspended": (resource(spec={"suspend": True, "trainingInput": {}}), None, Refuse),
    "intended, then crashed: the same again": (resource(intended=intent(time=later(-1e5))), None, Submit),
    "create throttled": (
        resource(intended=intent()),
        observed(troubles=trouble(Method.CREATE, errors.Throttled("slow down"))),
        Wait,
    ),
    "create throttled, then suspended": (
        resource(intended=intent(), spec={"suspend": True}),
        observed(alone=True, troubles=trouble(Method.CREATE, errors.Throttled("slow down"))),
        Hold(),
    ),
    "create throttled, then made invalid": (
        resource(intended=intent(), spec={"trainingInput": {}}),
        observed(alone=True, troubles=trouble(Method.CREATE, errors.Throttled("slow down"))),
        Refuse,
    ),
    "create throttled, time is up": (
        resource(intended=intent()),
        observed(troubles=trouble(Method.CREATE, errors.Throttled("slow down"), fresh=False)),
        Submit,
    ),
    "no capacity": (
        resource(intended=intent()),
        observed(alone=True, troubles=trouble(Method.CREATE, errors.NoCapacity("no machines"))),
        Wait,
    ),
    "no capacity, then another machine": (
        resource(intended=intent(), generation=2),
        observed(alone=True, troubles=trouble(Method.CREATE, errors.NoCapacity("no machines"))),
        Submit,
    ),
    "create throttled, then another machine": (
        resource(intended=intent(), generation=2),
        observed(alone=True, troubles=trouble(Method.CREATE, errors.Throttled("slow down"))),
        Wait,
    ),
    "create unknown, wait": (
        resource(intended=intent()),
        observed(doubtful_at=NOW, troubles=trouble(Method.CREATE, errors.Unavailable("cut"))),
        Wait,
    ),
    "create unknown, the same again": (
        resource(intended=intent()),
        observed(doubtful_at=NOW, troubles=trouble(Method.CREATE, errors.Unavailable("cut"), fresh=False)),
        Submit,
    ),
    "exists already: whose is it?": (
        resource(intended=intent()),
        observed(troubles=trouble(Method.CREATE, errors.AlreadyExists("taken"))),
        Look(TARGET),
    ),
    "exists already, and reading it failed": (
        resource(intended=intent()),
        observed(
            troubles={
                **trouble(Method.CREATE, errors.AlreadyExists("taken")),
                **trouble(Method.GET, errors.Unavailable("cut")),
            }
        ),
        Wait,
    ),
    "exists already, and then there is none: not at once again": (
        resource(intended=intent()),
        observed(absences=1, absent_at=NOW, troubles=trouble(Method.CREATE, errors.AlreadyExists("taken"))),
        Wait,
    ),
    "exists and is ours": (resource(intended=intent()), observed(job=job("QUEUED")), Watch(TARGET)),
    "exists and is a stranger's": (resource(intended=intent()), observed(job=job(uid=STRANGER)), Stall),
    "a stranger's, recorded": (resource(intended=intent(), status=stalled("JobIdTaken")), None, Keep()),
    "rejected": (
        resource(intended=intent()),
        observed(alone=True, troubles=trouble(Method.CREATE, errors.Rejected("bad region"))),
        Stall,
    ),
    "rejected, but another process may have sent it before": (
        resource(intended=intent()),
        observed(troubles=trouble(Method.CREATE, errors.Rejected("bad region"))),
        Look(TARGET),
    ),
    "rejected after a lost answer: not certain yet": (
        resource(intended=intent()),
        observed(doubtful_at=NOW, troubles=trouble(Method.CREATE, errors.Rejected("bad region"))),
        Look(TARGET),
    ),
    "rejected, recorded": (resource(intended=intent(), status=stalled("Rejected")), None, Keep()),
    "a stranger's, recorded, and then it is to be adopted": (
        resource(intended=intent(), status=stalled("JobIdTaken"), adopt="true"),
        None,
        Look(TARGET),
    ),
    "nothing to adopt, recorded": (
        resource(intended=ADOPTION, status=stalled("NothingToAdopt"), adopt="true"),
        None,
        Look(TARGET),
    ),
    "nothing to adopt, and then a new one is wanted": (
        resource(intended=ADOPTION, status=stalled("NothingToAdopt")),
        None,
        Submit,
    ),
    "invalid, but its job may exist": (
        resource(intended=intent(), spec={"trainingInput": {}}),
        None,
        Look(TARGET),
    ),
    "suspended, its job exists, but the record of the intent was taken off": (
        resource(held=True, spec={"suspend": True}),
        observed(job=job()),
        Record(intent()),
    ),
    "rejected, then mended, and the new intent is recorded": (
        resource(intended=intent(generation=2), status=stalled("Rejected"), generation=2),
        observed(alone=True, troubles=trouble(Method.CREATE, errors.Rejected("bad region"))),
        Submit,
    ),
    "running, and somebody has taken the finalizer off": (
        resource(intended=intent(), held=False, status=status()),
        observed(job=job()),
        Record(intent()),
    ),
    "ended, and somebody has taken the finalizer off": (
        resource(intended=intent(), held=False, status=status("FAILED")),
        None,
        Finish(),
    ),
    "rejected, then mended": (
        resource(intended=intent(), status=stalled("Rejected"), generation=2),
        observed(troubles=trouble(Method.CREATE, errors.Rejected("bad region"))),
        Submit,
    ),
    "no such project: it is tried again, and slowly": (
        resource(intended=intent()),
        observed(troubles=trouble(Method.CREATE, errors.ProjectNotFound("no"))),
        Wait,
    ),
    "no such project, then the spec names another": (
        resource(intended=intent(), spec={"projectId": "other"}, generation=2),
        observed(alone=True, troubles=trouble(Method.CREATE, errors.ProjectNotFound("no"))),
        Submit,
    ),
    "denied": (
        resource(intended=intent()),
        observed(troubles=trouble(Method.CREATE, errors.Denied("no"))),
        Wait,
    ),
    "suspended while the outcome is unknown": (
        resource(intended=intent(), spec={"suspend": True}),
        observed(doubtful_at=NOW),
        Look(TARGET),
    ),
    "suspended, looked, may still come": (
        resource(intended=intent(), spec={"suspend": True}),
        observed(doubtful_at=NOW, absent_at=NOW, absences=1),
        Wait,
    ),
    "suspended, certainly absent": (
        resource(intended=intent(), spec={"suspend": True}),
        observed(doubtful_at=later(-100), absent_at=later(-1), absences=2),
        Hold(),
    ),
    "the project changed while the outcome is unknown": (
        resource(intended=intent(), spec={"projectId": "other"}, generation=2),
        observed(doubtful_at=NOW),
        Look(TARGET),
    ),
}
