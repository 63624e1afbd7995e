"""The operator's settings: one model, read from a file, the environment and flags; the later wins."""

import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AliasGenerator, Field, ValidationError, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from mljobs.api.identity import PROVIDER_PATTERN
from mljobs.api.patterns import DNS_LABEL, DNS_NAME, PROJECT

ENV_PREFIX = "MLJOBS_"

OTHER_VARIABLES = frozenset(
    {"MLJOBS_DEBUG", "MLJOBS_ENVTEST_INDEX", "MLJOBS_LOGGING_ENDPOINT", "MLJOBS_STORAGE_ENDPOINT"}
)
"""Variables with that prefix that other commands read."""

LOCATION_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
URL_PATTERN = r"^(https?://[^\s/?#@]+(/[^\s?#]*)?)?$"
PROJECT_PATTERN = rf"^({PROJECT})?$"
DNS_LABEL_PATTERN = rf"^{DNS_LABEL}$"
DNS_NAME_PATTERN = rf"^{DNS_NAME}$"
OPTIONAL_PROVIDER_PATTERN = rf"({PROVIDER_PATTERN})|^$"

_WORDS = {
    URL_PATTERN: "an http or https URL without user, query or fragment, or nothing",
    LOCATION_PATTERN: "a region of the service, such as us-central1",
    PROJECT_PATTERN: "a project's id or number, such as my-project-1, or nothing",
    OPTIONAL_PROVIDER_PATTERN: (
        "projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER or "
        "identitynamespace:POOL:PROVIDER, or nothing"
    ),
    DNS_LABEL_PATTERN: "a name of lower-case letters, digits and hyphens, at most 63 characters",
    DNS_NAME_PATTERN: "a name of lower-case letters, digits, hyphens and dots, at most 250 characters",
}
"""The patterns in words."""

Seconds = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]
PerMinute = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Url = Annotated[str, Field(pattern=URL_PATTERN)]
Project = Annotated[str, Field(pattern=PROJECT_PATTERN)]
Provider = Annotated[str, Field(pattern=OPTIONAL_PROVIDER_PATTERN, max_length=512)]
FileName = Annotated[str, Field(min_length=1, max_length=4096)]
Location = Annotated[str, Field(pattern=LOCATION_PATTERN, max_length=40)]
DnsLabel = Annotated[str, Field(pattern=DNS_LABEL_PATTERN, max_length=63)]
LeaseName = Annotated[str, Field(pattern=DNS_NAME_PATTERN, max_length=250)]


class SettingsError(Exception):
    """A setting is wrong; the message names it, its value and what is allowed, a line for each."""


class Settings(BaseSettings):
    """The settings of `mljobs run`.

    In a file the names are camelCase (`pollInterval`), in the environment they are upper case with a prefix
    (`MLJOBS_POLL_INTERVAL`), as flags they are spelled with hyphens (`--poll-interval`; see `flag`). No
    setting is a secret.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_ignore_empty=True,
        alias_generator=AliasGenerator(serialization_alias=to_camel),
        coerce_numbers_to_str=True,  # a project's number needs no quotes in a file
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        validate_default=True,
    )

    service: Literal["MLv1", "VertexAI"] = "MLv1"
    """The service that runs the jobs: `MLv1` is AI Platform's `ml` v1, `VertexAI` is Vertex AI's `aiplatform`
    v1. Change it only while no job is active: each service knows its own jobs alone."""

    project_id: Project | None = None
    """The default Google Cloud project. Without it, `spec.projectId` is required."""

    endpoint: Url = ""
    """The URL of the job service: the emulator's, or a compatible endpoint's. Empty: the public one."""

    locations: tuple[Location, ...] = ()
    """The regions that jobs may run in, the first for those that name none. Empty: any, and jobs on Vertex AI
    have to name one."""

    tables: FileName | None = None
    """A YAML file that is laid over the tables by which legacy names become Vertex AI's: machines,
    accelerators, images, models."""

    console_path: Literal["agent-platform", "vertex-ai"] = "agent-platform"
    """Where the Google Cloud console has the pages of jobs on Vertex AI, for `status.consoleUrl`:
    `agent-platform`, or `vertex-ai` as before the service was renamed."""

    anonymous: bool = False
    """Whether requests to the job service carry no credentials, as for the emulator. Otherwise they carry
    Google's application default credentials."""

    identity_provider: Provider = ""
    """The provider of the workload identity pool that exchanges tokens of ServiceAccounts, for JobClasses
    whose `spec.identity.serviceAccountRef` names none: `projects/NUMBER/locations/global/
    workloadIdentityPools/POOL/providers/PROVIDER`, or of GKE `identitynamespace:POOL:PROVIDER`."""

    token_endpoint: Url = ""
    """The URL of the token services, STS and IAM Credentials, by which JobClasses have identities of their
    own: the emulator's, say. Empty: Google's."""

    namespaces: tuple[DnsLabel, ...] = ()
    """The namespaces to watch. Empty: the whole cluster."""

    poll_interval: Seconds = 10
    """Seconds between two polls of the active jobs. A project's quota of reads may make it longer."""

    gauge_interval: Seconds = 60
    """Seconds at least between two writes of a status in which only consumed units, counts, trials or the
    place in the queue have changed, and between two reads of a tuning job's trials, which no list of Vertex
    AI shows. With more than 600 jobs it becomes longer."""

    resync_interval: Seconds = 300
    """Seconds between two complete lists of the resources, which find what the watch has missed."""

    creates_per_minute: PerMinute = 60
    """Create calls for each project and minute, on Vertex AI in each region, at most; 0 is no limit. The
    service's own quota is 60."""

    others_per_minute: PerMinute | None = None
    """All other calls for each project and minute, at most; 0 is no limit. Left out: the service's own
    quota, 300 of `ml` v1, and 600 of Vertex AI in each region."""

    request_timeout: Seconds = 30
    """Seconds for one call of the job service. After it the outcome counts as unknown."""

    unknown_outcome_grace: Seconds = 60
    """Seconds in which an unanswered create call may still take effect. A resource that is deleted in the
    meantime is kept for that time, so that its job is not left behind."""

    schedules: bool = True
    """Whether JobSchedules are reconciled. Otherwise the operator needs no right to create and delete
    jobs."""

    adoption: Literal["Never", "SameNamespace", "Any"] = "SameNamespace"
    """Which jobs a resource may adopt by the annotation `mljobs.dev/adopt`: none; those without an owner or
    with one in the same namespace; or those of resources in other namespaces, too."""

    lost_after: Seconds = 300
    """Seconds for which an accepted job has to be missing at the service before it counts as lost, and before
    a resource that is being deleted is released."""

    lost_interval: Seconds = 600
    """Seconds between two reads of a job that counts as lost; the operator resumes it when it reappears."""

    believe_missing: bool = False
    """Whether three or more jobs of a project, half of them or more, may be missing at once, as after a
    restart of the emulator. Otherwise the service is assumed to be wrong, and nothing is changed or
    released."""

    threads: Annotated[int, Field(ge=1, le=128)] = 8
    """The maximum number of concurrent calls of the job service."""

    workers: Annotated[int, Field(ge=1, le=1024)] = 64
    """The maximum number of concurrent reconciliations."""

    kubernetes_connections: Annotated[int, Field(ge=2, le=1024)] = 32
    """The maximum number of connections to the API server, for watching and for writing each."""

    host: Annotated[str, Field(min_length=1)] = "::"
    """The address at which `/metrics`, `/healthz` and `/readyz` are served. `::` is all addresses, IPv4
    included; without IPv6 on the machine, IPv4 alone."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """The port of `/metrics`, `/healthz` and `/readyz`; 0 picks a free one."""

    drain_seconds: Seconds = 20
    """Seconds for the work in progress to finish when the operator is stopped."""

    leader_election: bool = False
    """Whether to act only while holding a Lease, so that several replicas can run."""

    lease_namespace: DnsLabel = "mljobs-system"
    """The namespace of the Lease."""

    lease_name: LeaseName = "mljobs-operator"
    """The name of the Lease; with shards, that of the first one, and those of the others have a number
    behind it."""

    shards: Annotated[int, Field(ge=1, le=16)] = 1
    """How many operators share the namespaces, each with a Lease of its own: run at least as many replicas.
    Each keeps to its part of the quotas of calls. Operators with another number of shards wait until all of
    these have ended."""

    log_format: Literal["json", "text"] = "json"
    """Whether log lines are JSON objects, for collectors, or plain text."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least severe level that is logged."""

    @field_validator("*", mode="before")
    @classmethod
    def _meant(cls, value: Any, info: ValidationInfo) -> Any:
        """Read an empty text as None if None is allowed, and refuse a boolean for a number."""
        field = cls.model_fields[str(info.field_name)]
        if value == "" and field.default is None:
            return None
        if isinstance(value, bool) and field.annotation in (int, float):
            raise ValueError("a boolean is not a number")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments and the environment; `load` passes what a file holds as arguments."""
        return (init_settings, _Environment(settings_cls))


def load(file: Path | None = None, **flags: Any) -> Settings:
    """Read the settings.

    Args:
        file: a YAML file with camelCase names; None for none. A null there counts as not given.
        flags: settings by attribute name that win over file and environment; None counts as not given.

    Raises:
        SettingsError: the file cannot be read, a setting is unknown or its value is not allowed; the message
            names all of them.
    """
    in_file = _read(file) if file else {}
    names = {to_camel(name): name for name in Settings.model_fields}
    problems = [
        f"{key!r} (in {file}) is not a setting; {_nearest(str(key))}" for key in in_file if key not in names
    ]
    sources = {
        f"in {file}": {names[key]: value for key, value in in_file.items() if key in names},
        "variable": _Environment(Settings)(),
        "flag": flags,
    }
    given: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for source, values in sources.items():
        for name, value in values.items():
            if value is not None:
                given[name] = value
                origins[name] = {"variable": variable(name), "flag": flag(name)}.get(source, source)
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise SettingsError("\n".join([*problems, *_explained(error, origins)])) from error
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def variable(name: str) -> str:
    """The environment variable of a setting, given by attribute name."""
    return f"{ENV_PREFIX}{name.upper()}"


_FLAGS = {"project_id": "--project", "namespaces": "--namespace", "locations": "--location"}


def flag(name: str) -> str:
    """The command line's option for a setting, given by attribute name."""
    return _FLAGS.get(name, f"--{name.replace('_', '-')}")


def allowed(name: str) -> str:
    """Say in words which values a setting, given by attribute name, takes."""
    return _allowed(_schema()[name])


def warnings(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Warnings about the environment: variables that look like settings but are not.

    Kubernetes sets variables for every Service of a Pod's namespace. One whose name begins with `mljobs` is
    no reason to warn, but for `MLJOBS_PORT`, which is ignored if it holds such an address.
    """
    known = {variable(name) for name in Settings.model_fields} | OTHER_VARIABLES
    found = []
    for name in sorted(environ):
        if not name.startswith(ENV_PREFIX) or name in known or _SERVICE_VARIABLE.fullmatch(name):
            continue
        found.append(f"{name} is set, and no setting has this name; {_nearest(name)}")
    if _SERVICE_ADDRESS.match(environ.get(variable("port"), "")):
        found.append(
            f"{variable('port')} is ignored: Kubernetes has set it for a Service named mljobs; set "
            "enableServiceLinks: false in the Pod to keep such variables out"
        )
    return found


_SERVICE_VARIABLE = re.compile(r"\w+_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)")
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


class _Environment(EnvSettingsSource):
    """The environment; a list is written as `a,b` or as JSON."""

    def __call__(self) -> dict[str, Any]:
        found = super().__call__()
        if _SERVICE_ADDRESS.match(str(found.get("port", ""))):
            del found["port"]
        return found

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        if not str(value).lstrip().startswith("["):
            return [part.strip() for part in str(value).split(",") if part.strip()]
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value  # validation refuses it with our own message


def _read(file: Path) -> dict[Any, Any]:
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError as error:
        raise SettingsError(f"--config {file}: there is no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--config {file}: it cannot be read: {error}") from error
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"--config {file}: it is not YAML: {' '.join(str(error).split())}") from error
    if document is None:
        return {}
    if not isinstance(node, yaml.MappingNode) or not isinstance(document, dict):
        raise SettingsError(f"--config {file}: it must hold settings, one `name: value` a line")
    keys = [str(key.value) for key, _ in node.value]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise SettingsError(f"--config {file}: {', '.join(twice)} is given twice")
    return document


def _nearest(name: str) -> str:
    """Suggest the setting that an unknown name may mean, in the same spelling."""
    in_environment = name.startswith(ENV_PREFIX)
    spellings = {
        field.replace("_", ""): variable(field) if in_environment else to_camel(field)
        for field in Settings.model_fields
    }
    bare = re.sub(r"[\W_]", "", name.removeprefix(ENV_PREFIX)).lower()
    close = difflib.get_close_matches(bare, spellings, n=1, cutoff=0.7)
    return f"did you mean {spellings[close[0]]}?" if close else "`mljobs run --help` lists the settings"


def _explained(error: ValidationError, origins: Mapping[str, str]) -> Iterator[str]:
    """Say what is wrong with each value, where it came from, and what is allowed."""
    for row in error.errors(include_url=False):
        name, *index = row["loc"]
        field = str(name)
        schema = _schema()[field]
        place = "".join(f"[{part}]" for part in index)
        expected = _allowed(schema["items"] if index and "items" in schema else schema)
        value = json.dumps(row["input"], default=str, ensure_ascii=False)
        yield f"{to_camel(field)}{place}: {value} ({origins[field]}) is not allowed: it must be {expected}"


def _schema() -> dict[str, Any]:
    properties: dict[str, Any] = Settings.model_json_schema(by_alias=False)["properties"]
    return properties


def _allowed(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return _allowed(schema["anyOf"][0])
    if "enum" in schema:
        *most, last = map(str, schema["enum"])
        return f"{', '.join(most)} or {last}"
    match schema["type"]:
        case "boolean":
            return "true or false"
        case "array":
            return f"a list, each {_allowed(schema['items'])}"
        case "integer":
            return f"a whole number from {schema['minimum']} to {schema['maximum']}"
        case "number" if "exclusiveMinimum" in schema:
            return f"a number above {schema['exclusiveMinimum']}, at most {schema['maximum']}"
        case "number":
            return f"a number from {schema['minimum']} to {schema['maximum']}"
        case _:
            return _WORDS.get(schema.get("pattern", ""), "a text that is not empty")
