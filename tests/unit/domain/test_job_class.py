"""What a JobClass says about the identity of its jobs."""

from typing import Any

import pytest

from mljobs.domain.classes.job_class import JobClass, recorded_route
from mljobs.domain.port import OPERATOR, Caller

PROVIDER = "projects/1/locations/global/workloadIdentityPools/pool/providers/{}"
OWN, OTHER = PROVIDER.format("own"), PROVIDER.format("other")


@pytest.mark.parametrize(
    ("identity", "caller"),
    [
        (None, OPERATOR),
        ({}, OPERATOR),
        ({"impersonate": "a@p.example"}, Caller(impersonate="a@p.example")),
        ({"serviceAccountRef": {"name": "trainer"}}, Caller("team-a", "trainer", OWN)),
        ({"serviceAccountRef": {"name": "trainer", "provider": OTHER}}, Caller("team-a", "trainer", OTHER)),
        (
            {"serviceAccountRef": {"name": "trainer"}, "impersonate": "a@p.example"},
            Caller("team-a", "trainer", OWN, impersonate="a@p.example"),
        ),
    ],
)
def test_whom_calls_are_made_as_now_and_by_the_record(
    identity: dict[str, Any] | None, caller: Caller
) -> None:
    """The record keeps the administrator's provider, so that a job outlives a change of the setting."""
    spec = {"service": "MLv1", **({} if identity is None else {"identity": identity})}
    made = JobClass.parse({"metadata": {"name": "c"}, "spec": spec}, OWN)
    assert made.route("team-a").caller == caller
    assert recorded_route(made.record(), "team-a").caller == caller
