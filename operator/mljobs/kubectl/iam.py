"""`kubectl mljobs iam`: who may do what with a job."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mljobs.kubectl.failure import REFUSED, TROUBLE, Failure
from mljobs.kubectl.options import (
    AnonymousOption,
    ContextOption,
    EndpointOption,
    KubeconfigOption,
    NameArgument,
    NamespaceOption,
    Output,
    connect,
)

if TYPE_CHECKING:
    from mljobs.kubectl.references import Found

iam_app = typer.Typer(help="Read and change a job's IAM policy.")

PERMISSIONS = (
    "ml.jobs.get",
    "ml.jobs.update",
    "ml.jobs.cancel",
    "ml.jobs.getIamPolicy",
    "ml.jobs.setIamPolicy",
)
"""The permissions on a job (documentation of access control)."""

IamPolicy = Mapping[str, Any]

OutputOption = Annotated[Output, typer.Option("--output", "-o", help="yaml or json.")]


@iam_app.command("get")
def get_policy(
    name: NameArgument,
    output: OutputOption = Output.YAML,
    endpoint: EndpointOption = "",
    anonymous: AnonymousOption = False,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Print a job's IAM policy.

    It is read from the service with your own Google credentials.
    """
    from mljobs.console.text import dump
    from mljobs.kubectl.references import find
    from mljobs.kubectl.service import ask

    project, job_id = _with_policy(find(connect(namespace, context, kubeconfig), name)).job

    async def read() -> IamPolicy:
        from mljobs.backends import Access, open_job_service

        async with open_job_service(Access(endpoint=endpoint, anonymous=anonymous)) as service:
            return await service.get_iam_policy(project, job_id)

    print(dump(dict(ask(read())), "json" if output is Output.JSON else "yaml"), end="")


@iam_app.command("test")
def permissions_of(
    name: NameArgument,
    permissions: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PERMISSION]...", help="Such as ml.jobs.cancel; all where left out."),
    ] = None,
    endpoint: EndpointOption = "",
    anonymous: AnonymousOption = False,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Say which permissions you have on a job.

    Asked for are your own Google credentials. Exits with 1 if a permission is missing.
    """
    from mljobs.console.text import show, table
    from mljobs.kubectl.references import find
    from mljobs.kubectl.service import ask

    wanted = list(permissions or PERMISSIONS)
    project, job_id = _with_policy(find(connect(namespace, context, kubeconfig), name)).job

    async def question() -> frozenset[str]:
        from mljobs.backends import Access, open_job_service

        async with open_job_service(Access(endpoint=endpoint, anonymous=anonymous)) as service:
            return await service.test_iam_permissions(project, job_id, wanted)

    granted = ask(question())
    show(table(["PERMISSION", "GRANTED"], [[word, "yes" if word in granted else "no"] for word in wanted]))
    if not set(wanted) <= granted:
        raise typer.Exit(REFUSED)


@iam_app.command("set")
def set_policy(
    name: NameArgument,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A policy as `iam get` prints it: bindings, and etag where it was read before; - for "
            "standard input.",
        ),
    ],
    in_spec: Annotated[
        bool,
        typer.Option(
            "--in-spec",
            help="Write the bindings to spec.iamBindings instead: the operator keeps them in the policy, "
            "beside those of others, with its own credentials.",
        ),
    ] = False,
    endpoint: EndpointOption = "",
    anonymous: AnonymousOption = False,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Replace a job's IAM policy.

    This is done with your own Google credentials, or with --in-spec by the operator. A policy
    with an etag is refused when somebody has changed the job's policy since it was read.
    """
    from mljobs.console.text import dump
    from mljobs.kubectl.references import find
    from mljobs.kubectl.service import ask

    policy = _policy(file)
    cluster = connect(namespace, context, kubeconfig)
    found = _with_policy(find(cluster, name))
    if in_spec:
        cluster.patch(found.kind, found.name, {"spec": {"iamBindings": policy.get("bindings") or []}})
        print(f"{found.title} spec.iamBindings set; the operator brings them into the policy")
        return
    project, job_id = found.job

    async def write() -> IamPolicy:
        from mljobs.backends import Access, open_job_service

        async with open_job_service(Access(endpoint=endpoint, anonymous=anonymous)) as service:
            present = {} if policy.get("etag") else await service.get_iam_policy(project, job_id)
            etag = {"etag": present["etag"]} if present.get("etag") else {}
            return await service.set_iam_policy(project, job_id, {**etag, **policy})

    print(dump(dict(ask(write())), "yaml"), end="")


def _with_policy(found: "Found") -> "Found":
    """A resource whose job can have an IAM policy.

    Raises:
        Failure: the service that runs it has none.
    """
    from mljobs.backends import Terms, service_of
    from mljobs.domain.port import Reference

    service = service_of(Reference(str(found.status.get("jobName") or "")))
    if service and not service.facts(Terms()).capabilities.iam:
        raise Failure(
            f"{found.title}: jobs of the service that runs it have no IAM policy of their own",
            hint="the project's policy says who may do what with them: grant roles there",
        )
    return found


def _policy(file: str) -> IamPolicy:
    """Read a policy from a file.

    Raises:
        Failure: it cannot be read, or is no policy.
    """
    from mljobs.console.documents.loaded import Unreadable
    from mljobs.console.documents.reading import documents

    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
        found = documents(text)
    except (OSError, UnicodeDecodeError, Unreadable, RecursionError) as error:
        raise Failure(
            f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}", code=TROUBLE
        ) from None
    if len(found) != 1 or not isinstance(found[0].value.get("bindings"), list):
        raise Failure(
            f"{file}: is no policy", hint="it must have a list `bindings` of {role, members}", code=TROUBLE
        )
    for problem in found[0].problems:
        print(f"warning: {problem.text}", file=sys.stderr)
    return found[0].value
