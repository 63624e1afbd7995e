"""What Vertex AI refuses in a well-formed job: a numbered list of fields, each with what is wrong with it.

The texts about accelerators, labels and names of environment variables are the service's own, known from
public threads; the rules behind the others come from the discovery document's field descriptions and the
documentation, and their texts are ours. Paths are in snake_case and start at the job's own fields.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mljobs_dev.emulator.aiplatform.document import aiplatform_v1, required
from mljobs_dev.emulator.aiplatform.errors import found_errors
from mljobs_dev.emulator.aiplatform.kinds import BATCH, CUSTOM, TUNING, Kind
from mljobs_dev.emulator.aiplatform.machines import FLEX_START, is_tpu, machine_problems
from mljobs_dev.emulator.aiplatform.study import check_study
from mljobs_dev.emulator.errors import Violation
from mljobs_dev.emulator.schema import Message
from mljobs_dev.emulator.validation import is_label_text

Input = Mapping[str, Any]
Rule = Callable[[Input, str], Iterator[Violation]]
"""Checks a job or a part of it, whose fields have paths that begin with a text."""

NAME_LIMIT = 128
LABEL_TEXT = (
    "There can be no more than 64 labels attached to a single resource. Label keys and values can only "
    "contain lowercase letters, numbers, dashes and underscores. Label keys must start with a letter or "
    "number, must be less than 64 characters in length, and must be less that 128 bytes in length when "
    "encoded in UTF-8. Label values must be less than 64 characters in length, and must be less that 128 "
    "bytes in length when encoded in UTF-8."
)
ARGS_LIMIT = 100_000
"""Characters of all arguments of a job together (documentation of quotas)."""

INPUT_FORMATS = ("jsonl", "csv", "tf-record", "tf-record-gzip", "bigquery", "file-list")
OUTPUT_FORMATS = ("jsonl", "csv", "bigquery")

_WEEK = 604_800.0
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_URI = re.compile(r"gs://[^/\s]+(/.*)?", re.DOTALL)
_NETWORK = re.compile(r"projects/[^/]+/global/networks/[^/]+")
_KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
_MODEL = re.compile(
    r"(?:projects/[^/]+/locations/(?P<location>[^/]+)|publishers/[^/]+)/models/[^/@]+(?:@[^/@]+)?"
)
_DISKS = ("pd-ssd", "pd-standard", "hyperdisk-balanced")
_NUMBERS = ("minValue", "maxValue")


def check_job(kind: Kind, job: Input, location: str) -> None:
    """Check a create request's job.

    Args:
        kind: which.
        job: canonical names and values; zeros may be written out.
        location: where it is to be.

    Raises:
        ApiError: 400 with every violation.
    """
    violations = [*name_and_labels(job, f"{kind.payload}.")]
    violations += required_fields(aiplatform_v1().message(kind.schema), job, "")
    if not violations:
        for rule, field, path in _rules(kind):
            violations += rule(job[field] if field else job, path)
        if kind is BATCH:
            violations += model(job, location)
    if violations:
        raise found_errors(violations)


def storage_uris(kind: Kind, job: Input) -> Iterator[str]:
    """The addresses in Cloud Storage whose buckets have to be in the job's region."""
    if kind is BATCH:
        yield from job["inputConfig"].get("gcsSource", {}).get("uris", ())
        destination = job["outputConfig"].get("gcsDestination")
    else:
        for pool in job[kind.spec]["workerPoolSpecs"]:
            yield from pool.get("pythonPackageSpec", {}).get("packageUris", ())
        destination = job[kind.spec].get("baseOutputDirectory")
    if destination:
        yield destination["outputUriPrefix"]


def name_and_labels(job: Input, path: str) -> Iterator[Violation]:
    """The display name and the labels."""
    if not 1 <= len(job.get("displayName", "")) <= NAME_LIMIT:
        yield Violation(f"{path}display_name", f"The display name should have 1 to {NAME_LIMIT} characters.")
    labels: Mapping[str, str] = job.get("labels", {})
    legal = len(labels) <= 64 and all(_key(key) and _label(value) for key, value in labels.items())
    if not legal:
        yield Violation(f"{path}labels", LABEL_TEXT)
    key = job.get("encryptionSpec", {}).get("kmsKeyName", "")
    if key and not _KEY.fullmatch(key):
        form = "projects/{project}/locations/{region}/keyRings/{ring}/cryptoKeys/{key}"
        yield Violation("encryption_spec.kms_key_name", f"The value `{key}` should have the form {form}.")


def required_fields(message: Message, value: Input, path: str) -> Iterator[Violation]:
    """Fields that their descriptions call required and that are not given.

    Numbers and enums may be left out where zero and the first word are values like any other.
    """
    for name, field in message.fields.items():
        where = f"{path}{field.snake}"
        given = value.get(name)
        needed = name in required(message.name) and name not in (*_NUMBERS, "goal", "displayName")
        absent = given is None if field.message and not field.repeated else not given
        if absent and needed:
            yield Violation(where, "Required field is not set.")
        elif not absent and field.message and not field.keyed:
            items: list[Any] = given if field.repeated and given else [given]
            for index, item in enumerate(items):
                place = f"{where}[{index}]." if field.repeated else f"{where}."
                yield from required_fields(field.message, item, place)


def pools(spec: Input, path: str) -> Iterator[Violation]:
    """Which worker pools there are, and how many replicas each has."""
    given = spec["workerPoolSpecs"]
    if len(given) > 4:
        yield Violation(f"{path}worker_pool_specs", f"At most 4 worker pools are allowed, not {len(given)}.")
    if not given[0]:
        yield Violation(f"{path}worker_pool_specs[0]", "The first worker pool should not be empty.")
    for index, pool in enumerate(given):
        where, replicas = f"{path}worker_pool_specs[{index}]", int(pool.get("replicaCount", "1"))
        if replicas < 1 or (index == 0 and replicas != 1):
            wanted = "1" if index == 0 else "at least 1"
            yield Violation(f"{where}.replica_count", f"The replica count {replicas} should be {wanted}.")
        if pool and not ("containerSpec" in pool or "pythonPackageSpec" in pool):
            text = "One of `container_spec` and `python_package_spec` should be specified."
            yield Violation(f"{where}.task", text)
        if pool and not pool.get("machineSpec", {}).get("machineType"):
            yield Violation(f"{where}.machine_spec.machine_type", "Required field is not set.")


def machines(spec: Input, path: str) -> Iterator[Violation]:
    """Machines and accelerators; a TPU is alone."""
    used = [pool for pool in spec["workerPoolSpecs"] if pool]
    for index, pool in enumerate(spec["workerPoolSpecs"]):
        machine = pool.get("machineSpec", {})
        if machine.get("machineType"):
            for field, text in machine_problems(machine):
                yield Violation(f"{path}worker_pool_specs[{index}].machine_spec.{field}", text)
    if len(used) > 1 and any(is_tpu(pool.get("machineSpec", {})) for pool in used):
        yield Violation(f"{path}worker_pool_specs", "A job with a TPU should have one worker pool.")


def disks(spec: Input, path: str) -> Iterator[Violation]:
    """Boot disks."""
    for index, pool in enumerate(spec["workerPoolSpecs"]):
        disk, where = pool.get("diskSpec", {}), f"{path}worker_pool_specs[{index}].disk_spec"
        kind, size = disk.get("bootDiskType") or _DISKS[0], disk.get("bootDiskSizeGb") or 100
        if kind not in _DISKS:
            text = f"The boot disk type `{kind}` should be one of {', '.join(_DISKS)}."
            yield Violation(f"{where}.boot_disk_type", text)
        if not 100 <= size <= 64_000:
            text = f"The boot disk size {size} should be between 100 and 64000."
            yield Violation(f"{where}.boot_disk_size_gb", text)


def programs(spec: Input, path: str) -> Iterator[Violation]:
    """Environment variables, packages and arguments."""
    length = 0
    for index, pool in enumerate(spec["workerPoolSpecs"]):
        for field, name in (
            ("containerSpec", "container_spec"),
            ("pythonPackageSpec", "python_package_spec"),
        ):
            program, where = pool.get(field, {}), f"{path}worker_pool_specs[{index}].{name}"
            length += sum(map(len, program.get("args", ())))
            yield from environment(program.get("env", ()), f"{where}.env")
            packages = program.get("packageUris", ())
            if len(packages) > 100:
                text = f"At most 100 packages are allowed, and there are {len(packages)}."
                yield Violation(f"{where}.package_uris", text)
            yield from _uris(packages, f"{where}.package_uris")
    if length > ARGS_LIMIT:
        text = f"All arguments together should have at most {ARGS_LIMIT} characters, not {length}."
        yield Violation(f"{path}worker_pool_specs", text)


def environment(variables: Any, path: str) -> Iterator[Violation]:
    """A program's environment variables."""
    names = [variable.get("name", "") for variable in variables]
    if len(names) > 100:
        yield Violation(path, f"At most 100 environment variables are allowed, and there are {len(names)}.")
    if len(set(names)) < len(names):
        yield Violation(path, "EnvVar names must be unique.")
    for index, name in enumerate(names):
        if not _IDENTIFIER.fullmatch(name):
            yield Violation(f"{path}[{index}].name", f"The name `{name}` should be a C identifier.")


def mounts(spec: Input, path: str) -> Iterator[Violation]:
    """NFS and Lustre mounts."""
    for index, pool in enumerate(spec["workerPoolSpecs"]):
        for field, kind in (("nfsMounts", "nfs"), ("lustreMounts", "lustre")):
            for number, mount in enumerate(pool.get(field, ())):
                where = f"{path}worker_pool_specs[{index}].{kind}_mounts[{number}]"
                if not mount["mountPoint"].startswith(f"/mnt/{kind}/"):
                    text = f"The mount point `{mount['mountPoint']}` should be under /mnt/{kind}/."
                    yield Violation(f"{where}.mount_point", text)
                if not mount.get("path", "/").startswith("/"):
                    yield Violation(f"{where}.path", f"The path `{mount['path']}` should start with `/`.")


def scheduling(spec: Input, path: str) -> Iterator[Violation]:
    """Spot machines, machines that start flexibly, reservations and persistent resources."""
    given = spec.get("scheduling", {})
    strategy, where = given.get("strategy", ""), f"{path}scheduling.strategy"
    found = [pool["machineSpec"] for pool in spec["workerPoolSpecs"] if pool.get("machineSpec")]
    run = float(given.get("timeout", "0s")[:-1])
    if run < 0:
        yield Violation(f"{path}scheduling.timeout", f"The timeout {run:g}s should not be negative.")
    if strategy in ("SPOT", "FLEX_START"):
        affinities = [machine.get("reservationAffinity", {}) for machine in found]
        kinds = {affinity.get("reservationAffinityType", "NO_RESERVATION") for affinity in affinities}
        if kinds - {"NO_RESERVATION", "TYPE_UNSPECIFIED"}:
            yield Violation(where, f"{strategy} can not be used with reservations.")
        if spec.get("persistentResourceId"):
            yield Violation(where, f"{strategy} can not be used with a persistent resource.")
    if strategy == "SPOT" and any(
        machine.get("acceleratorCount", 0) >= 32 and is_tpu(machine) for machine in found
    ):
        yield Violation(where, "SPOT can not be used with TPU pods.")
    if strategy == "FLEX_START":
        yield from _flex_start(found, run, path)


def places(spec: Input, path: str) -> Iterator[Violation]:
    """The output directory, the network and names below it."""
    prefix = spec.get("baseOutputDirectory", {}).get("outputUriPrefix", "")
    yield from _uris(
        [prefix] if prefix else [], f"{path}base_output_directory.output_uri_prefix", listed=False
    )
    network = spec.get("network", "")
    if network and not _NETWORK.fullmatch(network):
        text = f"The value `{network}` should have the form projects/{{number}}/global/networks/{{name}}."
        yield Violation(f"{path}network", text)
    for index, peering in enumerate(spec.get("pscInterfaceConfig", {}).get("dnsPeeringConfigs", ())):
        if not peering["domain"].endswith("."):
            where = f"{path}psc_interface_config.dns_peering_configs[{index}].domain"
            yield Violation(where, f"The domain `{peering['domain']}` should end with a dot.")


def trial_counts(job: Input, path: str) -> Iterator[Violation]:
    """How many trials a tuning job has."""
    for field, name in (
        ("maxTrialCount", "max_trial_count"),
        ("parallelTrialCount", "parallel_trial_count"),
    ):
        if job[field] < 1:
            yield Violation(path + name, f"The value {job[field]} should be at least 1.")
    if job.get("maxFailedTrialCount", 0) < 0:
        text = f"The value {job['maxFailedTrialCount']} should not be negative."
        yield Violation(f"{path}max_failed_trial_count", text)


def sources(job: Input, path: str) -> Iterator[Violation]:
    """What a batch prediction job reads and writes."""
    taken, given = job["inputConfig"], job["outputConfig"]
    for value, name, formats in (
        (taken["instancesFormat"], "input_config.instances_format", INPUT_FORMATS),
        (given["predictionsFormat"], "output_config.predictions_format", OUTPUT_FORMATS),
    ):
        if value not in formats:
            yield Violation(path + name, f"The format `{value}` should be one of {', '.join(formats)}.")
    if not taken.keys() - {"instancesFormat"}:
        yield Violation(f"{path}input_config.source", "A source should be specified.")
    if not given.keys() - {"predictionsFormat"}:
        yield Violation(f"{path}output_config.destination", "A destination should be specified.")
    uris = taken.get("gcsSource", {}).get("uris", ())
    yield from _uris(uris, f"{path}input_config.gcs_source.uris")
    prefix = given.get("gcsDestination", {}).get("outputUriPrefix")
    where = f"{path}output_config.gcs_destination.output_uri_prefix"
    yield from _uris([prefix] if prefix else [], where, listed=False)
    config = job.get("instanceConfig", {})
    if config.get("instanceType", "object") not in ("object", "array"):
        text = f"The instance type `{config['instanceType']}` should be object or array."
        yield Violation(f"{path}instance_config.instance_type", text)
    if config.get("includedFields") and config.get("excludedFields"):
        text = "Only one of `included_fields` and `excluded_fields` should be specified."
        yield Violation(f"{path}instance_config.excluded_fields", text)


def batch_machines(job: Input, path: str) -> Iterator[Violation]:
    """The machines of a batch prediction job: both of the accelerator's fields or none, counts in order."""
    resources = job.get("dedicatedResources")
    if resources is None:
        return
    machine, where = resources["machineSpec"], f"{path}dedicated_resources"
    if not machine.get("machineType"):
        yield Violation(f"{where}.machine_spec.machine_type", "Required field is not set.")
    if bool(machine.get("acceleratorCount")) != (machine.get("acceleratorType", _NONE) != _NONE):
        text = "Both `accelerator_type` and `accelerator_count` should be specified or none."
        yield Violation(f"{where}.machine_spec.accelerator_type", text)
    start, most = resources.get("startingReplicaCount", 0), resources.get("maxReplicaCount") or 10
    if start < 0 or start > most:
        text = f"The starting replica count {start} should be between 1 and {most}."
        yield Violation(f"{where}.starting_replica_count", text)


def model(job: Input, location: str) -> Iterator[Violation]:
    """The model of a batch prediction job, which is in the job's location."""
    if bool(job.get("model")) == ("unmanagedContainerModel" in job):
        yield Violation(
            "model", "Exactly one of `model` and `unmanaged_container_model` should be specified."
        )
        return
    if not job.get("model"):
        return
    match = _MODEL.fullmatch(job["model"])
    if match is None or match["location"] not in (None, location):
        form = f"projects/{{project}}/locations/{location}/models/{{model}}"
        yield Violation("model", f"The value `{job['model']}` should have the form {form}.")


SPEC_RULES: tuple[Rule, ...] = (pools, machines, disks, programs, mounts, scheduling, places)
"""The rules of a CustomJobSpec."""

TUNING_RULES: tuple[Rule, ...] = (trial_counts,)
BATCH_RULES: tuple[Rule, ...] = (sources, batch_machines)

_NONE = "ACCELERATOR_TYPE_UNSPECIFIED"


def _rules(kind: Kind) -> Iterator[tuple[Rule, str, str]]:
    """Each rule with the field that it checks, empty for the whole job, and how paths begin there."""
    if kind is CUSTOM:
        yield from ((rule, "jobSpec", "job_spec.") for rule in SPEC_RULES)
    elif kind is TUNING:
        yield from ((rule, "", "") for rule in TUNING_RULES)
        yield check_study, "studySpec", "study_spec."
        yield from ((rule, "trialJobSpec", "trial_job_spec.") for rule in SPEC_RULES)
    else:
        yield from ((rule, "", "") for rule in BATCH_RULES)


def _flex_start(found: list[Input], run: float, path: str) -> Iterator[Violation]:
    where = f"{path}scheduling.strategy"
    if any(machine.get("acceleratorType") not in FLEX_START for machine in found):
        yield Violation(where, f"FLEX_START needs one of {', '.join(sorted(FLEX_START))} in each pool.")
    if any(machine != found[0] for machine in found):
        yield Violation(where, "FLEX_START needs the same machine in all pools.")
    if run > _WEEK:
        yield Violation(f"{path}scheduling.timeout", f"FLEX_START allows {_WEEK:g}s at most, not {run:g}s.")


def _uris(uris: Any, path: str, *, listed: bool = True) -> Iterator[Violation]:
    for index, uri in enumerate(uris):
        if not _URI.fullmatch(uri):
            where = f"{path}[{index}]" if listed else path
            yield Violation(where, f"The value `{uri}` should start with gs:// and a bucket.")


def _key(key: str) -> bool:
    return _label(key) and key[:1] not in ("", "_", "-")


def _label(text: str) -> bool:
    return is_label_text(text) and len(text.encode()) <= 128
