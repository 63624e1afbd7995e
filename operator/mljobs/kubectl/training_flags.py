"""The flags of `gcloud [beta] ai-platform jobs submit training`, and a few more."""

from collections.abc import Iterator

from mljobs.console.values import (
    accelerator,
    account,
    boolean,
    count,
    duration,
    folder,
    items,
    labels,
    project,
    unless_empty,
)
from mljobs.kubectl.failure import TROUBLE, Failure
from mljobs.kubectl.flags import Flag, Given, Spec, overlay, put


def _role(name: str, field: str, who: str) -> Iterator[Flag]:
    """The flags of one role's replicas."""
    yield Flag(f"--{name}-machine-type", f"Machine type of the {who}.", f"trainingInput.{field}Type")
    yield Flag(
        f"--{name}-image-uri",
        f"Container image of the {who}.",
        f"trainingInput.{field}Config.imageUri",
        unless_empty,
        "IMAGE",
    )
    yield Flag(
        f"--{name}-accelerator",
        f"Accelerators of each machine of the {who}.",
        f"trainingInput.{field}Config.acceleratorConfig",
        accelerator,
        "type=TYPE,count=COUNT",
    )
    if name != "master":
        yield Flag(
            f"--{name}-count",
            f"How many {who}.",
            f"trainingInput.{field}Count",
            count,
            "COUNT",
        )


TRAINING: tuple[Flag, ...] = (
    Flag("--project", "Google Cloud project. Left out, the administrator's default.", "projectId", project),
    Flag(
        "--region",
        "Region to run in. Left out, CLOUDSDK_COMPUTE_REGION says, and then the file.",
        "trainingInput.region",
        metavar="REGION",
    ),
    Flag(
        "--labels", "Labels of the job, in place of the file's.", "labels", labels, "KEY=VALUE,…", many=True
    ),
    Flag(
        "--job-dir",
        "Cloud Storage path for what the training writes; passed to the program.",
        "trainingInput.jobDir",
        folder,
        "gs://…",
    ),
    Flag(
        "--packages",
        "Python packages: in Cloud Storage, or .tar.gz and .whl files that are uploaded.",
        "trainingInput.packageUris",
        items,
        "PACKAGE,…",
    ),
    Flag(
        "--package-path",
        "Folder of a Python package to build, by the setup.py beside it or a made one, and upload.",
        metavar="FOLDER",
    ),
    Flag(
        "--staging-bucket",
        "Bucket to upload packages to; the folder packages of --job-dir where left out.",
        metavar="gs://BUCKET",
    ),
    Flag("--module-name", "Python module to run.", "trainingInput.pythonModule"),
    Flag("--runtime-version", "Version of the service's runtime.", "trainingInput.runtimeVersion"),
    Flag("--python-version", "Version of Python.", "trainingInput.pythonVersion"),
    Flag(
        "--scale-tier",
        "basic, basic-gpu, basic-tpu, standard-1, premium-1 or custom.",
        "trainingInput.scaleTier",
        metavar="TIER",
    ),
    *_role("master", "master", "master"),
    *_role("worker", "worker", "workers"),
    *_role("parameter-server", "parameterServer", "parameter servers"),
    *_role("evaluator", "evaluator", "evaluators"),
    Flag(
        "--tpu-tf-version",
        "Runtime version whose TensorFlow a TPU worker's custom image has.",
        "trainingInput.workerConfig.tpuTfVersion",
        unless_empty,
    ),
    Flag(
        "--use-chief-in-tf-config",
        "Whether TF_CONFIG calls the first replica chief.",
        "trainingInput.useChiefInTfConfig",
        boolean,
        "true|false",
    ),
    Flag(
        "--service-account",
        "Service account that the training runs as.",
        "trainingInput.serviceAccount",
        account,
        "EMAIL",
    ),
    Flag(
        "--network",
        "VPC network to peer with, projects/NUMBER/global/networks/NAME.",
        "trainingInput.network",
    ),
    Flag("--kms-key", "Key of Cloud KMS: its full name, or its id with the three below."),
    Flag("--kms-keyring", "Key ring of --kms-key."),
    Flag("--kms-location", "Location of --kms-key."),
    Flag("--kms-project", "Project of --kms-key; --project where left out."),
    Flag(
        "--enable-web-access",
        "Open interactive shells into the containers.",
        "trainingInput.enableWebAccess",
        switch=True,
    ),
    Flag(
        "--max-running-time",
        "The service cancels the job after running so long. Not a flag of gcloud's.",
        "trainingInput.scheduling.maxRunningTime",
        duration,
        "TIME",
    ),
    Flag(
        "--max-wait-time",
        "The service cancels the job when it is not running by then. Not a flag of gcloud's.",
        "trainingInput.scheduling.maxWaitTime",
        duration,
        "TIME",
    ),
    Flag(
        "--priority",
        "From 0 to 1000: what goes first of those that wait. Not a flag of gcloud's.",
        "trainingInput.scheduling.priority",
        metavar="NUMBER",
    ),
)
"""All flags of `submit training` that say something about the job."""

_COUNTED = {
    "--worker-machine-type": ("--worker-count", "workerCount"),
    "--parameter-server-machine-type": ("--parameter-server-count", "parameterServerCount"),
    "--evaluator-machine-type": ("--evaluator-count", "evaluatorCount"),
}
"""Flags without effect where nothing says how many, with the flag and the field that do."""

_KMS_PARTS = ("--kms-keyring", "--kms-location", "--kms-project")


def training_spec(spec: Spec, given: Given) -> Spec:
    """Put the flags over a config file's spec.

    Raises:
        Failure: a value cannot be read, or the flags do not go together.
    """
    spec = overlay(spec, TRAINING, given)
    for kind, (how_many, field) in _COUNTED.items():
        if given.get(kind) and not (spec.get("trainingInput") or {}).get(field):
            raise Failure(f"{kind} {given[kind]}: needs {how_many}", code=TROUBLE)
    key = _kms_key(given)
    return put(spec, "trainingInput.encryptionConfig.kmsKeyName", key) if key else spec


def _kms_key(given: Given) -> str:
    """The full name of the key; empty if none is asked for."""
    key = given.get("--kms-key", "")
    ring, location, project = (given.get(name) for name in _KMS_PARTS)
    if not key:
        if ring or location or project:
            raise Failure(f"{', '.join(_KMS_PARTS)} need --kms-key", code=TROUBLE)
        return ""
    if "/" in key:
        return str(key)
    project = project or given.get("--project")
    if not (ring and location and project):
        raise Failure(
            f"--kms-key {key}: an id needs --kms-keyring, --kms-location and --kms-project too",
            hint="or use its full name, projects/…/locations/…/keyRings/…/cryptoKeys/…",
            code=TROUBLE,
        )
    return f"projects/{project}/locations/{location}/keyRings/{ring}/cryptoKeys/{key}"
