"""`UnmanagedContainerModel` and what it reaches: a container that serves a model, its ports and probes."""

from typing import Annotated

from pydantic import Field

from mljobs.api.base import Argument, Duration, Int32, Int64, Model, Name, Uri, Word
from mljobs.api.vertex.job import EnvVar, Path

CommandLine = Annotated[tuple[Argument, ...], Field(max_length=256)]
"""A command line of a serving container or a probe."""


class Port(Model):
    """A port of a container."""

    container_port: Int32 | None = None
    """The port's number, 1 to 65535."""


Ports = Annotated[tuple[Port, ...], Field(max_length=16)]
"""Ports of a container."""


class ExecAction(Model):
    """A probe that runs a command."""

    command: CommandLine | None = None
    """The command, which no shell reads; exit code 0 is healthy."""


class GrpcAction(Model):
    """A probe by gRPC."""

    port: Int32 | None = None
    """The port's number, 1 to 65535."""

    service: Word | None = None
    """The service's name in the request."""


class HttpHeader(Model):
    """A header of a probe's request."""

    name: Word | None = None
    """The header's name."""

    value: Path | None = None
    """The header's value."""


class HttpGetAction(Model):
    """A probe by HTTP."""

    host: Path | None = None
    """The host. Left out, the container's own address."""

    http_headers: Annotated[tuple[HttpHeader, ...] | None, Field(max_length=8)] = None
    """Headers of the request."""

    path: Annotated[str | None, Field(max_length=1024)] = None
    """The path to ask for."""

    port: Int32 | None = None
    """The port's number, 1 to 65535."""

    scheme: Word | None = None
    """`HTTP` (the service's default) or `HTTPS`."""


class TcpSocketAction(Model):
    """A probe that opens a connection."""

    host: Path | None = None
    """The host. Left out, the container's own address."""

    port: Int32 | None = None
    """The port's number, 1 to 65535."""


class Probe(Model):
    """A check of a container's health, as Kubernetes has it."""

    exec: ExecAction | None = None
    """Runs a command. Exactly one of the four is required."""

    http_get: HttpGetAction | None = None
    """Asks by HTTP. Exactly one of the four is required."""

    grpc: GrpcAction | None = None
    """Asks by gRPC. Exactly one of the four is required."""

    tcp_socket: TcpSocketAction | None = None
    """Opens a connection. Exactly one of the four is required."""

    initial_delay_seconds: Int32 | None = None
    """The time before the first check. The service's default is 0."""

    period_seconds: Int32 | None = None
    """The time between checks. The service's default is 10."""

    timeout_seconds: Int32 | None = None
    """The time that a check may take. The service's default is 1."""

    failure_threshold: Int32 | None = None
    """So many failures make the container unhealthy. The service's default is 3."""

    success_threshold: Int32 | None = None
    """So many successes make it healthy again. The service's default is 1."""


class ModelContainerSpec(Model):
    """A container that serves a model."""

    image_uri: Uri | None = None
    """The image, one of Google's for prediction or your own. Required."""

    command: CommandLine | None = None
    """The command, in place of the image's `ENTRYPOINT`."""

    args: CommandLine | None = None
    """The command's arguments, in place of the image's `CMD`."""

    env: Annotated[tuple[EnvVar, ...] | None, Field(max_length=200)] = None
    """Environment variables, at most 200."""

    ports: Ports | None = None
    """Ports for HTTP, of which the first counts. The service's default is 8080."""

    grpc_ports: Ports | None = None
    """Ports for gRPC, of which the first counts."""

    predict_route: Name | None = None
    """The path that predictions are asked for at."""

    health_route: Name | None = None
    """The path that health is asked for at."""

    invoke_route_prefix: Name | None = None
    """`/*`, to pass all paths on. Not together with predictRoute."""

    deployment_timeout: Duration | None = None
    """How long the container may take to start, at most `7200s`."""

    shared_memory_size_mb: Int64 | None = None
    """Shared memory in MB."""

    startup_probe: Probe | None = None
    """Tells when the container has started."""

    health_probe: Probe | None = None
    """Tells when the container is ready."""

    liveness_probe: Probe | None = None
    """Tells when the container has to be started again."""


class PredictSchemata(Model):
    """Files that describe what goes into a model and comes out of it."""

    instance_schema_uri: Uri | None = None
    """A file in Cloud Storage that describes an instance."""

    parameters_schema_uri: Uri | None = None
    """A file in Cloud Storage that describes the parameters."""

    prediction_schema_uri: Uri | None = None
    """A file in Cloud Storage that describes a prediction."""


class UnmanagedContainerModel(Model):
    """A model that is in no registry."""

    artifact_uri: Uri | None = None
    """The Cloud Storage folder of the model's files."""

    predict_schemata: PredictSchemata | None = None
    """What goes in and comes out."""

    container_spec: ModelContainerSpec | None = None
    """The container that serves it."""
