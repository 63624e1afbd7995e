"""Stories of a class that calls as an account of the tenant's, which expires, is revoked and comes back.

An operator that reads classes watches the whole cluster, so that one story is told at a time. A job's record
keeps the endpoint of its class: the gate of each process serves at the same port.
"""

import asyncio
import json
from collections.abc import Callable
from functools import partial

from mljobs.api.jobclass import DEFAULT_CLASS, JOB_CLASS
from mljobs.api.resources import API_VERSION, GROUP, VERSION
from mljobs_dev.controlplane.ports import PortReservation
from tests.e2e.support import condition
from tests.e2e.support_identities import NAME, POOL, account, principal
from tests.faults.gate import Json
from tests.faults.process import LIMITS
from tests.faults.scenarios import Scenario, Story, queued, running, running_from_queued, to_end
from tests.faults.world import World

TRAINER = "trainer@team-a.iam.gserviceaccount.com"
"""Whom the accounts of all tenants may impersonate."""

IDENTITIES: list[Scenario] = []

SHORT, LONG = 2, 3600
"""Seconds that an access token lasts: over at the next poll but a few, and no sooner than the story."""

_DELAYS = "mljobs.domain.job.observation"
QUICK = {f"{_DELAYS}.FIRST_DELAY": {}, f"{_DELAYS}.LONGEST_DELAY": {}, f"{_DELAYS}.OTHERWISE": (0.3, 1.0)}
"""What is denied is tried again after half a minute in a cluster, and here as soon as everything else."""

CLASSES = f"/apis/{GROUP}/{VERSION}/{JOB_CLASS.plural}"


def trainer(*, disabled: bool = False) -> Json:
    """The service account of Google's as the emulator is told of it."""
    creators = [f"principalSet://iam.googleapis.com/{POOL}/*"]
    return {"serviceAccounts": [{"email": TRAINER, "tokenCreators": creators, "disabled": disabled}]}


def accounts_of(world: World) -> str:
    return f"/api/v1/namespaces/{world.namespace}/serviceaccounts"


async def come_back(world: World) -> None:
    """Give the tenant its account."""
    await world.lab.cluster.request("POST", accounts_of(world), account(world.namespace))


async def tenant(world: World, *, there: bool = True, **identity: str) -> None:
    """Make the class of the namespace, which calls as the account of the namespace."""
    cluster, reserved, name = world.lab.cluster, PortReservation(), f"of-{world.namespace}"
    world.everywhere, world.port = True, reserved.port
    world.settings[LIMITS] = json.dumps(QUICK)
    spec = {
        "service": "MLv1",
        "endpoint": f"http://127.0.0.1:{reserved.port}",
        "projects": [world.project],
        "namespaces": {"names": [world.namespace]},
        "identity": {"serviceAccountRef": {"name": NAME}, **identity},
    }
    metadata = {"name": name, "annotations": {DEFAULT_CLASS: "true"}}
    body = {"apiVersion": API_VERSION, "kind": JOB_CLASS.name, "metadata": metadata, "spec": spec}
    await cluster.request("POST", CLASSES, body)
    world.closing += [
        partial(cluster.request, "DELETE", f"{CLASSES}/{name}"),
        partial(asyncio.to_thread, reserved.release),
    ]
    if there:
        await come_back(world)


def identity_story(prepare: Story = tenant) -> Callable[[Story], Story]:
    """Add a story to the list."""

    def add(story: Story) -> Story:
        may_say = frozenset({"Denied"})
        IDENTITIES.append(Scenario(story.__name__, story, False, may_say, prepare=prepare))
        return story

    return add


def say(world: World, **known: object) -> None:
    """Tell the token services something."""
    world.lab.service._post("/_emulator/identities", known)


async def until_denied(world: World) -> None:
    """Revoke the tokens, one that was exchanged at the last moment included, until that shows."""

    def denied() -> bool:
        world.lab.service.revoke(principal(world.namespace))
        return condition(world.status(), "Stalled").get("reason") == "Denied"

    await world.until(denied, "it is denied")


async def revoke(world: World) -> None:
    """Delete the tenant's account, and revoke its tokens."""
    await world.lab.cluster.request("DELETE", f"{accounts_of(world)}/{NAME}")
    await until_denied(world)


def exchanged(world: World) -> int:
    """How many tokens the tenant's account has got."""
    rows = world.lab.service.effects(account=f"system:serviceaccount:{world.namespace}:{NAME}")
    return sum(row["status"] == 200 for row in rows)


@identity_story()
async def tokens_expire(world: World) -> None:
    """Each access token is over soon, and is replaced while jobs are submitted and polled."""
    say(world, lifetime=SHORT)
    await world.create()
    await queued(world)
    before = exchanged(world)
    await world.until(lambda: exchanged(world) > before + 1, "tokens have expired", timed=False)
    say(world, lifetime=LONG)
    await running_from_queued(world)
    await to_end(world)


@identity_story()
async def revoked_and_back(world: World) -> None:
    """The job goes on meanwhile, and is seen when the account is back."""
    await world.create()
    await queued(world)
    await revoke(world)
    await come_back(world)
    await running_from_queued(world)
    await to_end(world)


@identity_story(partial(tenant, there=False))
async def absent_at_first(world: World) -> None:
    """Nothing can be submitted, until there is an account."""
    await world.create()
    await world.until_condition("Stalled", "True", "Denied")
    await come_back(world)
    await running(world)
    await to_end(world)


@identity_story()
async def revoked_and_deleted(world: World) -> None:
    """The operator ends the job as itself."""
    await world.create()
    await running(world)
    await revoke(world)
    await world.delete()
    await world.until_gone()


@identity_story(partial(tenant, impersonate=TRAINER))
async def impersonated_is_disabled(world: World) -> None:
    """The account that is impersonated is disabled for a while."""
    await world.create()
    await queued(world)
    say(world, **trainer(disabled=True))
    await until_denied(world)
    say(world, **trainer())
    await running_from_queued(world)
    await to_end(world)
