"""`kubectl mljobs cancel` and `resume`: end a job and keep its resource, or start a new attempt."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mljobs.kubectl.failure import TROUBLE, Failure
from mljobs.kubectl.options import ContextOption, KubeconfigOption, NameArgument, NamespaceOption, connect

if TYPE_CHECKING:
    from mljobs.kubectl.references import Found

MANAGER = "kubectl-mljobs-cancel"
"""The field manager that owns spec.suspend, and no other field, as `cancel` and `resume` have set it."""


def cancel(
    name: NameArgument,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the job has ended.")] = False,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Cancel a job and keep its resource.

    This sets spec.suspend, and the operator cancels the job. `kubectl mljobs resume NAME` starts a new
    attempt later. Deleting the resource cancels its job too, unless its deletionPolicy is Orphan, and leaves
    no record of it in the cluster.
    """
    from mljobs.domain.policies.outcome import is_over
    from mljobs.kubectl.references import find
    from mljobs.kubectl.wait import Goal, await_goal

    cluster = connect(namespace, context, kubeconfig)
    found = find(cluster, name)
    state = found.status.get("state")
    if is_over(found.status) and not (found.body.get("spec") or {}).get("suspend"):
        print(f"{found.title} has ended already: {state}", file=sys.stderr)
        return
    if not (found.body.get("spec") or {}).get("suspend"):
        cluster.apply(found.kind, found.body, {"suspend": True}, MANAGER)
        _warn(found)
    print(f"{found.title} suspended: its job is being cancelled" if state else f"{found.title} suspended")
    print(
        f"note: `kubectl mljobs resume {found.title}` starts a new attempt, "
        f"`kubectl delete {found.title}` removes the resource",
        file=sys.stderr,
    )
    if wait:
        verdict = await_goal(cluster, found, Goal.ENDED, None, report=print)
        if verdict is None or not verdict.reached:
            raise Failure(f"{found.title}: {verdict.text if verdict else 'has not ended'}", code=TROUBLE)
        print(f"{found.title} {verdict.text}")


def resume(
    name: NameArgument,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Start a suspended job.

    A job that was held back is submitted, and a cancelled one as a new attempt.
    """
    from mljobs.kubectl.owners import owners
    from mljobs.kubectl.references import find

    cluster = connect(namespace, context, kubeconfig)
    found = find(cluster, name)
    if not (found.body.get("spec") or {}).get("suspend"):
        raise Failure(f"{found.title} is not suspended", hint="only a suspended job can be resumed")
    if owners(found.body, "suspend") == [MANAGER]:  # set by `cancel`: return the field to its other owner
        cluster.apply(found.kind, found.body, {}, MANAGER)
    else:
        cluster.apply(found.kind, found.body, {"suspend": False}, MANAGER)
        _warn(found)
    print(f"{found.title} resumed")


def _warn(found: "Found") -> None:
    """Say who else sets the field, since there it has to be changed, too."""
    from mljobs.kubectl.owners import appliers

    for name in appliers(found.body, "suspend"):
        if name != MANAGER:
            print(
                f"note: {name} sets spec.suspend, too: change it there, or what is applied next conflicts "
                f"with this or takes it back",
                file=sys.stderr,
            )
