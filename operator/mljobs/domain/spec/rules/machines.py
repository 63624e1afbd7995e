"""Rules for machines and replicas: scale tier, types, counts, accelerators, disks, containers, TPUs."""

from collections.abc import Iterator
from dataclasses import dataclass

from mljobs.api.field_error import FieldErrorType
from mljobs.domain.spec.problems import Severity, Source
from mljobs.domain.spec.rules.rule import TRAINING_JOB, Rule
from mljobs.domain.spec.rules.terms import (
    Term,
    all_of,
    any_of,
    at_least,
    filled,
    fits,
    given,
    is_one_of,
    one_of,
    positive,
    present,
    reads,
)

INPUT = "trainingInput"
KINDS = frozenset({TRAINING_JOB})

CLOUD_TPU = "cloud_tpu"
LEGACY = (
    "standard",
    "large_model",
    "complex_model_s",
    "complex_model_m",
    "complex_model_l",
    "standard_gpu",
    "complex_model_m_gpu",
    "complex_model_l_gpu",
    "standard_p100",
    "complex_model_m_p100",
    "standard_v100",
    "large_model_v100",
    "complex_model_m_v100",
    "complex_model_l_v100",
)
"""The legacy machine types; `cloud_tpu` goes with these and with Compute Engine's."""

COMPUTE_ENGINE = r"[a-z][a-z0-9]*(-[a-z0-9]+)+"
"""Compute Engine types have hyphens, legacy types underscores; new ones of the former appear at any time."""

IMAGE = r"[A-Za-z0-9][A-Za-z0-9._:@/-]*"
"""What the service can try to read; it refuses an image that is not there."""

REGISTRY = r"([a-z0-9-]+[.])*(gcr[.]io|pkg[.]dev)/.+"

TPUS = ("TPU_V2", "TPU_V3", "TPU_V2_POD", "TPU_V3_POD", "TPU_V4_POD")


@dataclass(frozen=True)
class Role:
    """A part that replicas play, and the fields that speak of it.

    Attributes:
        id: the first part of its rules' names.
        noun: what people call it.
        type: the field with its machine type.
        config: the field with its ReplicaConfig.
        count: the field with its number of replicas; None for the master, which is always one.
    """

    id: str
    noun: str
    type: str
    config: str
    count: str | None

    @property
    def image(self) -> Term:
        """Whether its replicas run a custom container; all inherit the master's image."""
        own = given(f"{self.config}.imageUri")
        return own if self is MASTER else own | MASTER_IMAGE

    @property
    def is_tpu(self) -> Term:
        """Whether its replicas are TPU machines."""
        return is_one_of(self.type, CLOUD_TPU)


MASTER_IMAGE = given("masterConfig.imageUri")
CUSTOM = is_one_of("scaleTier", "CUSTOM")
BASIC_TPU = is_one_of("scaleTier", "BASIC_TPU")

MASTER = Role("master", "master", "masterType", "masterConfig", None)
ROLES = (
    MASTER,
    Role("worker", "worker", "workerType", "workerConfig", "workerCount"),
    Role("ps", "parameter server", "parameterServerType", "parameterServerConfig", "parameterServerCount"),
    Role("evaluator", "evaluator", "evaluatorType", "evaluatorConfig", "evaluatorCount"),
)


def _is_compute_engine(role: Role) -> Term:
    return reads(role.type, COMPUTE_ENGINE)


def _is_legacy(role: Role) -> Term:
    return is_one_of(role.type, *LEGACY)


def _differs(role: Role, *earlier: Role) -> Term:
    """Whether a type is of another category than the first known one of the roles before it."""
    first, *others = earlier
    mixed = any_of(_is_compute_engine(role) & _is_legacy(first), _is_legacy(role) & _is_compute_engine(first))
    if not others:
        return mixed
    unknown = ~any_of(_is_compute_engine(first), _is_legacy(first))
    return mixed | (unknown & _differs(role, *others))


def _uniform() -> Iterator[Rule]:
    for index, role in enumerate(ROLES[1:], start=1):
        yield Rule(
            f"{role.id}-machine-category",
            INPUT,
            given(role.type).implies(~_differs(role, *ROLES[:index])),
            "all machine types are of one category, Compute Engine's or legacy; cloud_tpu goes with both",
            Source.DISCOVERY,
            field=role.type,
            kinds=KINDS,
        )


def _counted(role: Role, count: str) -> Iterator[Rule]:
    """The rules of a role that can have several replicas."""
    yield Rule(
        f"{role.id}-count",
        f"{INPUT}.{count}",
        at_least(0),
        "a number of replicas is not negative",
        Source.DISCOVERY,
        kinds=KINDS,
    )
    yield Rule(
        f"{role.id}-type-required",
        INPUT,
        positive(count).implies(given(role.type)),
        f"a machine type is required where {count} is above 0",
        Source.DISCOVERY,
        field=role.type,
        error_type=FieldErrorType.REQUIRED,
        kinds=KINDS,
    )
    yield Rule(
        f"{role.id}-count-custom",
        INPUT,
        positive(count).implies(CUSTOM),
        f"a {role.noun} count above 0 needs scaleTier CUSTOM; the default is BASIC",
        Source.DISCOVERY,
        field=count,
        error_type=FieldErrorType.FORBIDDEN,
        kinds=KINDS,
    )
    yield Rule(
        f"{role.id}-type-unused",
        INPUT,
        given(role.type).implies(positive(count)),
        f"this machine type has no effect without a {count} above 0",
        Source.DISCOVERY,
        field=role.type,
        severity=Severity.WARNING,
        kinds=KINDS,
    )


def _typed(role: Role) -> Iterator[Rule]:
    yield Rule(
        f"{role.id}-type-known",
        INPUT,
        given(role.type).implies(is_one_of(role.type, *LEGACY, CLOUD_TPU) | reads(role.type, COMPUTE_ENGINE)),
        "this is neither a legacy machine type nor cloud_tpu, and not named like one of Compute Engine",
        Source.DOCUMENTATION,
        field=role.type,
        severity=Severity.WARNING,
        kinds=KINDS,
    )
    accelerator = f"{role.config}.acceleratorConfig"
    named = is_one_of(f"{accelerator}.type", "ACCELERATOR_TYPE_UNSPECIFIED")
    wanted = present(accelerator) & (
        positive(f"{accelerator}.count") | (given(f"{accelerator}.type") & ~named)
    )
    yield Rule(
        f"{role.id}-accelerator-machine",
        INPUT,
        wanted.implies(
            any_of(
                reads(role.type, COMPUTE_ENGINE),
                is_one_of(role.type, CLOUD_TPU) & is_one_of(f"{accelerator}.type", *TPUS),
            )
        ),
        f"accelerators need a Compute Engine machine type in {role.type}, or cloud_tpu for TPUs",
        Source.DISCOVERY,
        field=accelerator,
        error_type=FieldErrorType.FORBIDDEN,
        kinds=KINDS,
    )


def _accelerated(role: Role) -> Iterator[Rule]:
    scope = f"{INPUT}.{role.config}.acceleratorConfig"
    typed = given("type") & ~is_one_of("type", "ACCELERATOR_TYPE_UNSPECIFIED")
    yield Rule(
        f"{role.id}-accelerator-type",
        scope,
        positive("count").implies(typed),
        "a count above 0 needs the type of the accelerator",
        Source.DISCOVERY,
        field="type",
        error_type=FieldErrorType.REQUIRED,
        kinds=KINDS,
    )
    yield Rule(
        f"{role.id}-accelerator-count",
        f"{scope}.count",
        at_least(0),
        "a number of accelerators is not negative",
        Source.DISCOVERY,
        kinds=KINDS,
    )
    yield Rule(
        f"{role.id}-accelerator-count-required",
        scope,
        typed.implies(positive("count")),
        "a type of accelerator needs a count above 0; no accelerators are the type unspecified and 0",
        Source.DISCOVERY,
        field="count",
        error_type=FieldErrorType.REQUIRED,
        kinds=KINDS,
    )


def _contained(role: Role) -> Iterator[Rule]:
    """Containers, TPUs and disks."""
    yield Rule(
        f"{role.id}-image-uri",
        f"{INPUT}.{role.config}.imageUri",
        fits(IMAGE),
        "an image is HOST/PATH, with :TAG or @DIGEST where wanted, such as gcr.io/my-project/trainer:1",
        Source.RECORDED,
        kinds=KINDS,
    )
    yield Rule(
        f"{role.id}-image-registry",
        INPUT,
        given(f"{role.config}.imageUri").implies(reads(f"{role.config}.imageUri", REGISTRY)),
        "the service reads images of Container Registry or Artifact Registry only",
        Source.DISCOVERY,
        field=f"{role.config}.imageUri",
        severity=Severity.WARNING,
        kinds=KINDS,
    )
    for name, what in (("containerArgs", "container-args"), ("containerCommand", "container-command")):
        yield Rule(
            f"{role.id}-{what}-image",
            INPUT,
            filled(f"{role.config}.{name}").implies(role.image),
            f"{name} needs a custom image, this replica's own or masterConfig.imageUri",
            Source.DISCOVERY,
            field=f"{role.config}.{name}",
            error_type=FieldErrorType.FORBIDDEN,
            kinds=KINDS,
        )
    version = given(f"{role.config}.tpuTfVersion")
    yield Rule(
        f"{role.id}-tpu-tf-version-required",
        INPUT,
        all_of(role.is_tpu, role.image).implies(version),
        "a TPU worker with a custom image needs the runtime version that has its TensorFlow",
        Source.DISCOVERY,
        field=f"{role.config}.tpuTfVersion",
        error_type=FieldErrorType.REQUIRED,
        kinds=KINDS,
    )
    yield Rule(
        f"{role.id}-tpu-tf-version-forbidden",
        INPUT,
        version.implies(all_of(role.is_tpu | BASIC_TPU, role.image)),
        "tpuTfVersion is for TPU workers with a custom image only",
        Source.DISCOVERY,
        field=f"{role.config}.tpuTfVersion",
        error_type=FieldErrorType.FORBIDDEN,
        kinds=KINDS,
    )
    yield Rule(
        f"{role.id}-disk-type",
        f"{INPUT}.{role.config}.diskConfig.bootDiskType",
        one_of("pd-ssd", "pd-standard"),
        "a boot disk is pd-ssd or pd-standard",
        Source.DISCOVERY,
        kinds=KINDS,
    )
    yield Rule(
        f"{role.id}-disk-size",
        f"{INPUT}.{role.config}.diskConfig.bootDiskSizeGb",
        at_least(0),
        "a disk's size is not negative; 0 stands for the default of 100 GB",
        Source.DISCOVERY,
        kinds=KINDS,
    )


def _of(role: Role) -> Iterator[Rule]:
    if role.count is not None:
        yield from _counted(role, role.count)
    yield from _typed(role)
    yield from _accelerated(role)
    yield from _contained(role)


RULES = (
    Rule(
        "master-type-required",
        INPUT,
        CUSTOM.implies(given("masterType")),
        "scaleTier CUSTOM needs the master's machine type",
        Source.DISCOVERY,
        field="masterType",
        error_type=FieldErrorType.REQUIRED,
        kinds=KINDS,
    ),
    Rule(
        "master-type-unused",
        INPUT,
        given("masterType").implies(CUSTOM),
        "machine types have an effect with scaleTier CUSTOM only; the default is BASIC",
        Source.DISCOVERY,
        field="masterType",
        severity=Severity.WARNING,
        kinds=KINDS,
    ),
    Rule(
        "basic-tpu-tf-version",
        INPUT,
        all_of(BASIC_TPU, MASTER_IMAGE).implies(
            given("masterConfig.tpuTfVersion") | given("workerConfig.tpuTfVersion")
        ),
        "a custom image on scaleTier BASIC_TPU may need the runtime version that has its TensorFlow",
        Source.DISCOVERY,
        field="workerConfig.tpuTfVersion",
        severity=Severity.WARNING,
        kinds=KINDS,
    ),
    *_uniform(),
    *(rule for role in ROLES for rule in _of(role)),
)
"""The rules of this module."""
