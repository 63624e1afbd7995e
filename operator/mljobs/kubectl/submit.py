"""`kubectl mljobs submit`: gcloud's command line makes a resource."""

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mljobs.console.text import print_resource
from mljobs.kubectl.failure import TROUBLE, Failure
from mljobs.kubectl.flags import Given, put, taking
from mljobs.kubectl.manifest import Manifest
from mljobs.kubectl.options import (
    USER_ARGS,
    Access,
    AnonymousOption,
    Command,
    ContextOption,
    DryRun,
    DryRunOption,
    KubeconfigOption,
    LoggingEndpointOption,
    NamespaceOption,
    Output,
    ProgramCommand,
    StorageEndpointOption,
    connect,
)
from mljobs.kubectl.packages import FIELD, Staging, staging_of
from mljobs.kubectl.prediction_flags import PREDICTION, prediction_spec
from mljobs.kubectl.references import Found, kind_named
from mljobs.kubectl.submission import Request, prepare
from mljobs.kubectl.training_flags import TRAINING, training_spec

if TYPE_CHECKING:
    from mljobs.kubectl.cluster import Cluster

submit_app = typer.Typer(rich_markup_mode=None, help="Submit a job, with gcloud's flags.")


JobArgument = Annotated[
    str,
    typer.Argument(
        metavar="JOB",
        help="The job's id, kept to the letter; the resource is named after it. What is no legal id, such as "
        "census-nightly, names the resource only, and the operator derives an id.",
        show_default=False,
    ),
]
ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="gcloud's config file, a Job of the API or a manifest, as YAML or JSON; - for standard input. "
        "Flags win over it.",
    ),
]
PolicyOption = Annotated[
    str | None,
    typer.Option(
        metavar="Cancel|Orphan",
        help="What becomes of the job when the resource is deleted.",
    ),
]
SuspendOption = Annotated[bool, typer.Option("--suspend", help="Hold the job back for now.")]
StreamOption = Annotated[
    bool,
    typer.Option(
        "--stream-logs", help="Follow the job's log until it ends; exits with 1 unless it succeeds."
    ),
]
AsyncOption = Annotated[
    bool, typer.Option("--async", help="Do not wait for the job; this is so anyway.", hidden=True)
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Ask nothing; this is so anyway.", hidden=True)
]
ShownOption = Annotated[
    Output, typer.Option("--output", "-o", help="Print the resource in place of a message.")
]


@submit_app.command("training", cls=ProgramCommand)
@taking(TRAINING)
def training(
    ctx: typer.Context,
    given: Given,
    job: JobArgument,
    config: ConfigOption = None,
    stream_logs: StreamOption = False,
    run_async: AsyncOption = False,
    _quiet: QuietOption = False,
    deletion_policy: PolicyOption = None,
    suspend: SuspendOption = False,
    dry_run: DryRunOption = DryRun.NONE,
    output: ShownOption = Output.TABLE,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    endpoint: LoggingEndpointOption = "",
    storage_endpoint: StorageEndpointOption = "",
    anonymous: AnonymousOption = False,
) -> None:
    """Submit a training job. Arguments after -- go to the training program.

    A package that --package-path names is built. It and local --packages are uploaded to Cloud Storage, with
    your own Google credentials, unless the same content is there already.
    """
    staging = staging_of(given)
    request = Request(
        "TrainingJob",
        job,
        given,
        TRAINING,
        training_spec,
        config,
        ctx.meta[USER_ARGS],
        {**_extra(deletion_policy, suspend), **({FIELD: staging.provisional} if staging else {})},
        namespace,
    )
    if stream_logs and run_async:
        raise Failure("--stream-logs and --async: specify one of them", code=TROUBLE)
    complete = partial(_with_packages, staging, dry_run, Access(storage_endpoint, anonymous))
    created = _create(request, dry_run, output, context, kubeconfig, complete)
    if stream_logs and created:
        from mljobs.kubectl.logs import follow_to_the_end

        follow_to_the_end(*created, Access(endpoint, anonymous))


@submit_app.command("prediction", cls=Command)
@taking(PREDICTION)
def prediction(
    given: Given,
    job: JobArgument,
    config: ConfigOption = None,
    _quiet: QuietOption = False,
    deletion_policy: PolicyOption = None,
    suspend: SuspendOption = False,
    dry_run: DryRunOption = DryRun.NONE,
    output: ShownOption = Output.TABLE,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Submit a batch prediction job."""
    request = Request(
        "PredictionJob",
        job,
        given,
        PREDICTION,
        prediction_spec,
        config,
        extra=_extra(deletion_policy, suspend),
        namespace=namespace,
    )
    _create(request, dry_run, output, context, kubeconfig)


def _extra(deletion_policy: str | None, suspend: bool) -> dict[str, Any]:
    policy = {"deletionPolicy": deletion_policy} if deletion_policy else {}
    return {**policy, "suspend": True} if suspend else policy


def _with_packages(staging: Staging | None, dry_run: DryRun, access: Access, manifest: Manifest) -> Manifest:
    """Build what has to be built and upload it, or say what would be, and name it in the manifest."""
    if staging is None:
        return manifest
    packages = staging.packages()
    if dry_run is DryRun.NONE:
        from mljobs.kubectl.upload import upload

        upload(packages, staging.place, access)
    else:
        for package in packages:
            print(f"would upload {package.size} to {staging.place.uri(package)}", file=sys.stderr)
    return dict(put(manifest, f"spec.{FIELD}", staging.uris(packages)))


def _create(
    request: Request,
    dry_run: DryRun,
    output: Output,
    context: str | None,
    kubeconfig: str | None,
    complete: Callable[[Manifest], Manifest] | None = None,
) -> tuple["Cluster", Found] | None:
    """Create the resource, unless it is only printed; returns the cluster and the resource then.

    `complete` gets the manifest once all that needs no time is known to be right.
    """
    submission = prepare(request)
    for warning in submission.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    manifest = submission.manifest
    namespace = manifest["metadata"].get("namespace")
    cluster = None if dry_run is DryRun.CLIENT else connect(namespace, context, kubeconfig)
    if complete is not None:
        manifest = complete(manifest)
    if cluster is None:
        print_resource(manifest, Output.YAML if output is Output.TABLE else output, "")
        return None
    kind = kind_named(request.kind)
    body = cluster.create(kind, manifest, dry_run=dry_run is DryRun.SERVER)
    print_resource(body, output, "created (server dry run)" if dry_run is DryRun.SERVER else "created")
    return None if dry_run is DryRun.SERVER else (cluster, Found(kind, body))
