"""As whom a resource's calls go, and when the operator's own identity stands in for one that is of no use."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from mljobs.api.identity import Identity, ServiceAccountRef
from mljobs.controller.loop.classes import Classes
from mljobs.controller.loop.effects import Effects
from mljobs.controller.loop.lanes import Lane, Lanes, Terms
from mljobs.controller.loop.services import UNUSABLE, Services
from mljobs.domain.classes.job_class import OWN, JobClass, Standing
from mljobs.domain.decide.decisions import Cancel, Effect, Read, Submit
from mljobs.domain.errors import Denial, Denied, JobServiceError, Throttled, Unavailable
from mljobs.domain.job.observation import Call, Observation
from mljobs.domain.job.resource import Resource
from mljobs.domain.port import Caller, Order, Reference
from tests.unit.domain.world import NOW, START, TARGET, intent, job, observed, resource

IDENTITY = Identity(service_account_ref=ServiceAccountRef(name="trainer"))
TENANT = Caller("team-a", "trainer")
CLASS = JobClass("own", "MLv1", identity=IDENTITY, projects=("proj",))
RECORD = {
    "accepted": "Created",
    "jobClass": {
        "name": "own",
        "service": "MLv1",
        "identity": {"serviceAccountRef": {"name": "trainer"}},
    },
}
STATUS = {
    "projectId": "proj",
    "jobId": TARGET.job_id,
    "attempt": 1,
    "jobClassName": "own",
    "record": RECORD,
}


class Doors:
    """Backends that note who calls, and that refuse the tenant."""

    def __init__(self, error: JobServiceError | None) -> None:
        self.error = error
        self.calls: list[tuple[str, Caller]] = []

    @asynccontextmanager
    async def open(self, terms: Terms) -> AsyncIterator[Any]:
        yield Door(self, terms.route.caller)

    def opened(self, terms: Terms) -> AbstractAsyncContextManager[Any]:
        return self.open(terms)


class Door:
    """The backend of one caller."""

    def __init__(self, doors: Doors, caller: Caller) -> None:
        self._doors = doors
        self._caller = caller

    def _came(self, what: str) -> None:
        self._doors.calls.append((what, self._caller))
        if self._doors.error and self._caller == TENANT:
            raise self._doors.error

    async def get(self, _: Reference) -> Any:
        self._came("get")
        return job()

    async def cancel(self, _: Reference) -> None:
        self._came("cancel")

    async def submit(self, _: Order) -> Any:
        self._came("submit")
        return job()


def services(doors: Doors) -> Services:
    def lane(backend: Any) -> Lane:
        poller: Any = None
        return Lane(Effects(backend, lambda: NOW, lambda: 1.0), poller)

    own = JobClass(OWN, "MLv1", own=True)
    return Services(Classes(own, lambda _: pytest.fail("no facts are asked for")), Lanes(doors.opened, lane))


def subject(given: JobClass = CLASS, *, deleting: bool = True, submitted: bool = True) -> Resource:
    made = resource(intended=intent(), deleting=deleting, status=STATUS if submitted else None)
    return replace(made, standing=Standing(given))


DENIED = Denied("there is no ServiceAccount", cause=Denial.SERVICE_ACCOUNT)


async def carried_out(
    effect: Effect, of: Resource, error: JobServiceError | None
) -> tuple[list[Caller], Observation]:
    doors = Doors(error)
    known = await services(doors).carry_out(effect, of, observed(job=job()))
    return [caller for _, caller in doors.calls], known


OPERATOR = Caller()
BOTH = [TENANT, OPERATOR]


@pytest.mark.parametrize("cause", sorted(Denial))
async def test_which_denials_are_the_identity_s_own(cause: Denial) -> None:
    callers, known = await carried_out(Cancel(TARGET), subject(), Denied("no", cause=cause))
    assert callers == (BOTH if cause in UNUSABLE else [TENANT])
    assert known.cancelled is (cause in UNUSABLE)


@pytest.mark.parametrize("error", [Throttled("later"), Unavailable("no answer")])
async def test_an_unknown_outcome_is_nobody_else_s_to_repeat(error: JobServiceError) -> None:
    callers, known = await carried_out(Cancel(TARGET), subject(), error)
    assert callers == [TENANT]
    assert not known.cancelled


SUBMIT = Submit(intent(), Order("TrainingJob", {}, TARGET.scope, TARGET.job_id, {}))


@pytest.mark.parametrize(
    ("effect", "of", "callers"),
    [
        (Read(TARGET), subject(), BOTH),
        (Cancel(TARGET), subject(), BOTH),
        # the job of a resource that stays is the tenant's own affair
        (Read(TARGET), subject(deleting=False), [TENANT]),
        (Cancel(TARGET), subject(deleting=False), [TENANT]),
        (SUBMIT, subject(deleting=False, submitted=False), [TENANT]),
        # no record says where the job is: the administrator has to have listed the project
        (Read(TARGET), subject(submitted=False), BOTH),
        (Read(TARGET), subject(replace(CLASS, projects=()), submitted=False), [TENANT]),
    ],
)
async def test_the_operator_ends_what_outlives_its_identity(
    effect: Effect, of: Resource, callers: list[Caller]
) -> None:
    assert (await carried_out(effect, of, DENIED))[0] == callers


async def test_the_tenant_calls_as_long_as_it_can() -> None:
    callers, known = await carried_out(Cancel(TARGET), subject(), None)
    assert callers == [TENANT]
    assert known.cancelled


async def test_an_older_failure_is_none_of_this_call() -> None:
    doors = Doors(None)
    failed = Observation(since=START, target=TARGET).failed(
        Call.CANCEL, DENIED, generation=1, now=NOW, jitter=0
    )
    await services(doors).carry_out(Read(TARGET), subject(), failed)
    assert doors.calls == [("get", TENANT)]
