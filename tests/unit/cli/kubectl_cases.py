"""Command lines of gcloud, and the spec that each stands for; gcloud itself is asked the same elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

Json = dict[str, Any]

IMAGE = "--region us-central1 --master-image-uri gcr.io/team/trainer:1"
PACKAGES = (
    "--region us-central1 --runtime-version 2.11 --python-version 3.7 --module-name trainer.task "
    "--packages gs://bucket/trainer-1.tar.gz,gs://bucket/helper.whl"
)
PREDICT = (
    "--region us-central1 --data-format text --input-paths gs://bucket/in* --output-path gs://bucket/out"
)

WITH_IMAGE: Json = {"region": "us-central1", "masterConfig": {"imageUri": "gcr.io/team/trainer:1"}}
WITH_PACKAGES: Json = {
    "region": "us-central1",
    "runtimeVersion": "2.11",
    "pythonVersion": "3.7",
    "pythonModule": "trainer.task",
    "packageUris": ["gs://bucket/trainer-1.tar.gz", "gs://bucket/helper.whl"],
}
PREDICTED: Json = {
    "region": "us-central1",
    "dataFormat": "TEXT",
    "inputPaths": ["gs://bucket/in*"],
    "outputPath": "gs://bucket/out",
}

CONFIG: Json = {
    "jobId": "somebodys",
    "labels": {"from": "file"},
    "trainingInput": {
        "region": "us-east1",
        "scaleTier": "CUSTOM",
        "masterType": "n1-standard-4",
        "args": ["--from", "file"],
        "masterConfig": {
            "imageUri": "gcr.io/team/old:1",
            "acceleratorConfig": {"count": 1, "type": "NVIDIA_TESLA_T4"},
        },
    },
}
CONFIGURED: Json = {
    **CONFIG["trainingInput"],
    "masterConfig": {
        "imageUri": "gcr.io/team/old:1",
        "acceleratorConfig": {"count": "1", "type": "NVIDIA_TESLA_T4"},
    },
}


@dataclass(frozen=True)
class Line:
    """A command line after `submit`, and what it stands for.

    Attributes:
        name: of the case.
        kind: `training` or `prediction`.
        words: the flags.
        spec: of the manifest, without project and job id; None if the line is refused.
        config: what stands in the file `{config}` of the words.
        env: of the environment.
        differs: the entry of the guide's list of differences that says how gcloud takes it; empty: alike.
        track: gcloud's command group, `beta` say; empty for the stable one.
        job: the job that the line names; empty for any.
    """

    name: str
    kind: str
    words: str
    spec: Json | None
    config: Json | str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    differs: str = ""
    track: str = ""
    job: str = ""

    def __str__(self) -> str:
        return self.name

    @property
    def text(self) -> str:
        """What stands in the file, as it stands there."""
        return self.config if isinstance(self.config, str) else yaml.safe_dump(self.config or {})


def _training(
    name: str, words: str, base: Json = WITH_IMAGE, *, labels: Json | None = None, **more: Any
) -> Line:
    own = {key: more.pop(key) for key in ("config", "differs", "track") if key in more}
    spec = {"trainingInput": {**base, **more}, **({"labels": labels} if labels else {})}
    return Line(name, "training", words, spec, **own)


def _prediction(name: str, words: str, *, labels: Json | None = None, differs: str = "", **more: Any) -> Line:
    spec = {"predictionInput": {**PREDICTED, **more}, **({"labels": labels} if labels else {})}
    return Line(name, "prediction", words, spec, differs=differs)


LINES = (
    _training("an image", IMAGE),
    _training(
        "labels and arguments",
        f"{IMAGE} --labels team=a,env=b -- --epochs 3 -- x",
        labels={"team": "a", "env": "b"},
        args=["--epochs", "3", "--", "x"],
    ),
    _training(
        "packages",
        f"{PACKAGES} --job-dir gs://bucket/job --scale-tier basic-gpu",
        WITH_PACKAGES,
        jobDir="gs://bucket/job",
        scaleTier="BASIC_GPU",
    ),
    _training("a bucket that is not needed", f"{PACKAGES} --staging-bucket gs://bucket", WITH_PACKAGES),
    _training(
        "every role",
        f"{IMAGE} --scale-tier custom --master-machine-type n1-standard-8 "
        "--master-accelerator type=nvidia-tesla-t4,count=2 "
        "--worker-count 4 --worker-machine-type n1-standard-8 --worker-image-uri gcr.io/team/worker:1 "
        "--worker-accelerator count=1,type=nvidia-tesla-k80 "
        "--parameter-server-count 2 --parameter-server-machine-type n1-highmem-8 "
        "--parameter-server-image-uri gcr.io/team/ps:1 "
        "--parameter-server-accelerator count=1,type=nvidia-tesla-p100 --use-chief-in-tf-config true",
        scaleTier="CUSTOM",
        masterType="n1-standard-8",
        masterConfig={
            "imageUri": "gcr.io/team/trainer:1",
            "acceleratorConfig": {"type": "NVIDIA_TESLA_T4", "count": "2"},
        },
        workerCount="4",
        workerType="n1-standard-8",
        workerConfig={
            "imageUri": "gcr.io/team/worker:1",
            "acceleratorConfig": {"type": "NVIDIA_TESLA_K80", "count": "1"},
        },
        parameterServerCount="2",
        parameterServerType="n1-highmem-8",
        parameterServerConfig={
            "imageUri": "gcr.io/team/ps:1",
            "acceleratorConfig": {"type": "NVIDIA_TESLA_P100", "count": "1"},
        },
        useChiefInTfConfig=True,
    ),
    _training(
        "account and shells",
        f"{IMAGE} --service-account job@team.iam.gserviceaccount.com --enable-web-access",
        serviceAccount="job@team.iam.gserviceaccount.com",
        enableWebAccess=True,
    ),
    _training(
        "a key by its name",
        f"{IMAGE} --kms-key projects/p/locations/l/keyRings/r/cryptoKeys/k",
        encryptionConfig={"kmsKeyName": "projects/p/locations/l/keyRings/r/cryptoKeys/k"},
    ),
    _training(
        "a key by its parts",
        f"{IMAGE} --kms-key k --kms-keyring r --kms-location l --kms-project p",
        encryptionConfig={"kmsKeyName": "projects/p/locations/l/keyRings/r/cryptoKeys/k"},
    ),
    _training(
        "a key in the job's project",
        f"{IMAGE} --project team-project --kms-key k --kms-keyring r --kms-location l",
        encryptionConfig={"kmsKeyName": "projects/team-project/locations/l/keyRings/r/cryptoKeys/k"},
    ),
    _training(
        "a file",
        "--region us-east1 --config {config}",
        CONFIGURED,
        labels={"from": "file"},
        config=CONFIG,
    ),
    _training(
        "flags over a file",
        f"--config {{config}} {IMAGE} --labels from=flag "
        "--master-accelerator type=nvidia-tesla-v100,count=4 -- --from flag",
        CONFIGURED,
        labels={"from": "flag"},
        region="us-central1",
        masterConfig={
            "imageUri": "gcr.io/team/trainer:1",
            "acceleratorConfig": {"type": "NVIDIA_TESLA_V100", "count": "4"},
        },
        args=["--from", "flag"],
        config=CONFIG,
    ),
    Line(
        "no arguments over a file's",
        "training",
        "--region us-east1 --config {config} --",
        {
            "labels": {"from": "file"},
            "trainingInput": {key: value for key, value in CONFIGURED.items() if key != "args"},
        },
        CONFIG,
    ),
    _prediction("a model", f"{PREDICT} --project p --model m", modelName="projects/p/models/m"),
    _prediction(
        "a version",
        f"{PREDICT} --project p --model m --version v3 --batch-size 8 --max-worker-count 3 "
        "--labels team=a --runtime-version 1.15",
        labels={"team": "a"},
        versionName="projects/p/models/m/versions/v3",
        batchSize="8",
        maxWorkerCount="3",
        runtimeVersion="1.15",
    ),
    _prediction(
        "a model's files",
        f"{PREDICT} --data-format tf-record-gzip --model-dir gs://bucket/model --signature-name other",
        dataFormat="TF_RECORD_GZIP",
        uri="gs://bucket/model",
        signatureName="other",
    ),
    _prediction(
        "another separator",
        f"{PREDICT} --model-dir gs://bucket/model --input-paths ^;^gs://bucket/a,1;gs://bucket/b",
        inputPaths=["gs://bucket/a,1", "gs://bucket/b"],
        uri="gs://bucket/model",
    ),
    _training(
        "network and TPUs",
        f"{IMAGE} --network projects/12/global/networks/n --scale-tier custom --master-machine-type "
        "n1-standard-4 --worker-count 1 --worker-machine-type cloud_tpu --worker-accelerator "
        "type=tpu-v2,count=8 --tpu-tf-version 2.11",
        network="projects/12/global/networks/n",
        scaleTier="CUSTOM",
        masterType="n1-standard-4",
        workerCount="1",
        workerType="cloud_tpu",
        workerConfig={"acceleratorConfig": {"type": "TPU_V2", "count": "8"}, "tpuTfVersion": "2.11"},
        track="beta",
    ),
    _training(
        "times and priority",
        f"{IMAGE} --max-running-time 1h30m --max-wait-time 2700 --priority 5",
        scheduling={"maxRunningTime": "5400s", "maxWaitTime": "2700s", "priority": 5},
        differs="more flags",
    ),
    _training("no shells", f"{IMAGE} --no-enable-web-access", enableWebAccess=False),
    _training(
        "evaluators",
        f"{IMAGE} --scale-tier custom --master-machine-type n1-standard-4 --evaluator-count 1 "
        "--evaluator-machine-type n1-standard-4",
        scaleTier="CUSTOM",
        masterType="n1-standard-4",
        evaluatorCount="1",
        evaluatorType="n1-standard-4",
        differs="more flags",
    ),
    _prediction(
        "output format",
        f"{PREDICT} --model-dir gs://bucket/model --output-data-format csv",
        uri="gs://bucket/model",
        outputDataFormat="CSV",
        differs="more flags",
    ),
)
"""One line at least for each flag; what lies at their edges is in `gcloud_lines`."""
