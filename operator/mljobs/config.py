"""The operator's settings: one model, read from a file, the environment and flags; the later wins."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasGenerator, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

ENV_PREFIX = "MLJOBS_"

Seconds = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]
PerMinute = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class SettingsError(Exception):
    """A setting is wrong; the message names it, its value and what is allowed."""


class Settings(BaseSettings):
    """What `mljobs run` can be told.

    In a file the names are camelCase (`pollInterval`), in the environment they are upper case with a prefix
    (`MLJOBS_POLL_INTERVAL`).
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        alias_generator=AliasGenerator(serialization_alias=to_camel),
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        validate_default=True,
    )

    project_id: str | None = None
    """The Google Cloud project of resources that name none. Without it, `spec.projectId` is required."""

    endpoint: str = ""
    """The URL of the job service: the emulator's, or a compatible endpoint's. Empty: the public one."""

    anonymous: bool = False
    """Whether requests to the job service carry no credentials, as the emulator wants it. Otherwise they
    carry Google's application default credentials."""

    namespaces: tuple[str, ...] = ()
    """The namespaces to watch. Empty: the whole cluster."""

    poll_interval: Seconds = 10
    """Seconds between two looks at the active jobs. A project's quota of reads bounds it too."""

    resync_interval: Seconds = 300
    """Seconds between two complete lists of the resources, which repair what the watch has missed."""

    creates_per_minute: PerMinute = 60
    """Create calls for each project and minute, at the most; 0 is no limit. The service's own quota is 60."""

    others_per_minute: PerMinute = 300
    """All other calls for each project and minute, at the most; 0 is no limit. The service's own is 300."""

    request_timeout: Seconds = 30
    """Seconds for one call of the job service. After it the outcome counts as unknown."""

    unknown_outcome_grace: Seconds = 60
    """Seconds in which a create call that got no answer may still take effect. A resource that is deleted
    meanwhile is held for so long, so that its job cannot be left behind."""

    threads: Annotated[int, Field(ge=1, le=128)] = 8
    """Calls of the job service at once, at the most."""

    workers: Annotated[int, Field(ge=1, le=1024)] = 64
    """Resources that are worked on at once, at the most."""

    kubernetes_connections: Annotated[int, Field(ge=2, le=1024)] = 32
    """Connections to the API server, at the most, for watching and for writing each."""

    host: str = "0.0.0.0"  # noqa: S104
    """The address at which `/metrics`, `/healthz` and `/readyz` are served."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """The port of `/metrics`, `/healthz` and `/readyz`; 0 takes a free one."""

    drain_seconds: Seconds = 20
    """Seconds that the work under way has to end when the operator is stopped."""

    leader_election: bool = False
    """Whether to act only while holding a Lease, so that several replicas can run."""

    lease_namespace: str = "mljobs-system"
    """The namespace of the Lease."""

    lease_name: str = "mljobs-operator"
    """The name of the Lease."""

    log_format: Literal["json", "text"] = "json"
    """Whether log lines are JSON objects, for collectors, or plain text."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least severe messages that are logged."""


def load(file: Path | None = None, **flags: Any) -> Settings:
    """Read the settings.

    Args:
        file: a YAML file with camelCase names; None for none.
        flags: settings by attribute name that win over file and environment; None counts as not given.

    Raises:
        SettingsError: a setting is unknown or its value is not allowed; the message names all of them.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    if file and not file.is_file():
        raise SettingsError(f"--config {file}: there is no such file")

    class Loaded(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (init_settings, env_settings, _File(settings_cls, yaml_file=file))

    try:
        return Loaded(**given)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from error


class _File(YamlConfigSettingsSource):
    """A YAML file whose keys are camelCase."""

    def __call__(self) -> dict[str, Any]:
        names = {to_camel(name): name for name in self.settings_cls.model_fields}
        return {names.get(key, key): value for key, value in super().__call__().items()}


def _explain(error: ValidationError) -> str:
    rows = []
    for row in error.errors(include_url=False):
        name = ".".join(str(part) for part in row["loc"])
        first, _, rest = name.partition(".")
        camel = to_camel(first) + (f".{rest}" if rest else "")
        rows.append(f"{camel} (environment {ENV_PREFIX}{first.upper()}): {row['input']!r}: {row['msg']}")
    return "\n".join(rows)
