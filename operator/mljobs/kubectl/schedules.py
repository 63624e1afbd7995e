"""`kubectl mljobs schedule`: runs by hand, as `kubectl create job --from` makes those of a CronJob."""

import secrets
import sys
from typing import Annotated

import typer

from mljobs.kubectl.failure import Failure
from mljobs.kubectl.options import ContextOption, KubeconfigOption, NamespaceOption, connect

schedule_app = typer.Typer(help="Runs of a JobSchedule.")

_CHANCE = 3
"""Bytes that tell the names of runs apart."""


@schedule_app.command("run")
def run_now(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The JobSchedule's name.")],
    run_name: Annotated[
        str | None, typer.Option("--name", help="The run's name; NAME-manual-… where left out.")
    ] = None,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Start a run now, whatever the schedule says, suspended or not.

    It belongs to the schedule as the others do: with Forbid the next one waits for it, with Replace the next
    one takes its place, and the history limits count it.
    """
    from mljobs.api.jobschedule import JOB_SCHEDULE
    from mljobs.api.resources import KINDS
    from mljobs.domain.schedule.schedule import Schedule, run_of

    cluster = connect(namespace, context, kubeconfig)
    body = cluster.get(JOB_SCHEDULE, name.rpartition("/")[2])
    if body is None:
        raise Failure(
            f"there is no JobSchedule {name} in namespace {cluster.namespace}",
            hint="`kubectl get jobschedules -A` shows what there is",
        )
    schedule = Schedule.parse({**body, "kind": JOB_SCHEDULE.name}).resource
    if schedule.deleting:
        raise Failure(f"jobschedule/{schedule.name} is being deleted")
    template = schedule.spec["template"]
    chosen = run_name or f"{schedule.name}-manual-{secrets.token_hex(_CHANCE)}"
    kind = KINDS[template["kind"]]
    made = cluster.create(kind, run_of(schedule, template, chosen, None))
    title = f"{kind.singular}/{made['metadata']['name']}"
    print(f"{title} created")
    print(f"note: `kubectl mljobs wait {title} --for ended` waits for its end", file=sys.stderr)
