"""Command lines at the edges of gcloud's, and what the plugin makes of each; gcloud is asked elsewhere.

Where the two part, a line names the entry of the migration guide's list that says so.
"""

from typing import Any

from tests.unit.cli.kubectl_cases import (
    IMAGE,
    LINES,
    PACKAGES,
    PREDICT,
    PREDICTED,
    WITH_IMAGE,
    WITH_PACKAGES,
    Json,
    Line,
)

CUSTOM = "--scale-tier custom --master-machine-type n1-standard-4"
MODEL = "--model-dir gs://bucket/model"
KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"

WITH_CUSTOM: Json = {**WITH_IMAGE, "scaleTier": "CUSTOM", "masterType": "n1-standard-4"}
WITH_MODEL: Json = {**PREDICTED, "uri": "gs://bucket/model"}

_NO: None = None
"""The line is refused."""

_SHORT = {IMAGE: "IMAGE", CUSTOM: "CUSTOM", PACKAGES: "PACKAGES", PREDICT: "PREDICT", MODEL: "MODEL"}
_OF_LINE = ("env", "differs", "track", "job")
_OF_SPEC = ("labels", "deletionPolicy", "suspend")


def _line(kind: str, words: str, base: Json | None, config: str | None, more: dict[str, Any]) -> Line:
    own = {name: more.pop(name) for name in _OF_LINE if name in more}
    outer = {name: more.pop(name) for name in _OF_SPEC if name in more}
    spec = None if base is None else {**outer, f"{kind}Input": {**base, **more}}
    name = words
    for text, short in _SHORT.items():
        name = name.replace(text, short)
    shown = [own.get("track", ""), *own.get("env", {}).values(), own.get("job", ""), (config or "").strip()]
    if config is not None and "{config}" not in words:
        words = f"--config {{config}} {words}"
    return Line(" ".join([kind, name, *filter(None, shown)]), kind, words, spec, config, **own)


def _bare(words: str, base: Json | None, config: str | None = None, **more: Any) -> Line:
    return _line("training", words, base, config, more)


def _training(words: str, base: Json | None = WITH_IMAGE, config: str | None = None, **more: Any) -> Line:
    return _bare(f"{IMAGE} {words}".strip(), base, config, **more)


def _prediction(words: str, base: Json | None = WITH_MODEL, config: str | None = None, **more: Any) -> Line:
    return _line("prediction", f"{PREDICT} {words}", base, config, more)


_REGION = {"CLOUDSDK_COMPUTE_REGION": "us-east1"}
_EAST = {**WITH_IMAGE, "region": "us-east1"}
_WEST = "trainingInput: {region: us-west1}\n"
_UNPLACED = "--master-image-uri gcr.io/team/trainer:1"
_T4 = {"type": "NVIDIA_TESLA_T4", "count": "1"}


def _master(accelerator: Json) -> Json:
    return {"imageUri": "gcr.io/team/trainer:1", "acceleratorConfig": accelerator}


LABELS = (
    _training("--labels a=b --labels c=d", labels={"a": "b", "c": "d"}),
    _training("--labels a=b,c=d --labels e=", labels={"a": "b", "c": "d", "e": ""}),
    _training("--labels a=b --labels a=c", _NO),
    _training("--labels a=b --labels a=b", _NO),
    _training("--labels a=b,a=c", _NO, differs="a key twice in one flag"),
    _training("--labels a", _NO),
    _training("--labels =b", _NO),
    _training("--labels a=b=c", _NO),
    _training("--labels Team=a", _NO),
    _training("--labels team=A", _NO),
    _training("--labels größe=ä", labels={"größe": "ä"}),
    _training("--labels ''", labels={}),
    _training("--labels '' --config {config}", config="labels: {a: b}\n", labels={}),
    _training("--labels c=d", config="labels: {a: b}\n", labels={"c": "d"}),
    _training("--labels ^:^a=b:c=d", labels={"a": "b", "c": "d"}),
    _training("--labels ^^a=b", _NO),
    _training("--labels 'a=b, c=d'", _NO),
    _training("--labels a=b,,c=d", _NO),
    _training("--labels a=b,", labels={"a": "b"}),
    _prediction(f"{MODEL} --labels a=b --labels c=d", labels={"a": "b", "c": "d"}),
    _prediction(f"{MODEL} --labels a=b --labels a=c", _NO),
)

PLACES = (
    _bare(_UNPLACED, _NO),
    _bare(_UNPLACED, _EAST, env=_REGION),
    _bare(_UNPLACED, _EAST, _WEST, env=_REGION),
    _training("", config=_WEST, env=_REGION),
    _bare(_UNPLACED, {**WITH_IMAGE, "region": "us-west1"}, _WEST, differs="region in the file only"),
    _bare(f"--region us-east1 {IMAGE}", WITH_IMAGE),
    _bare(f"{_UNPLACED} --region ''", _NO),
    _bare(f"{_UNPLACED} --region ''", _NO, env=_REGION),
    _bare(f"{_UNPLACED} --region US-CENTRAL1", WITH_IMAGE, region="US-CENTRAL1"),
    _training("--project other-project"),
    _training("--project ''", _NO),
    _training("--project Other_Project", _NO),
    _prediction(MODEL, env=_REGION),
    _bare("", _NO),
)

SWITCHES = (
    _training(
        "",
        config="trainingInput: {enableWebAccess: true}\n",
        enableWebAccess=True,
        differs="web access in the file",
    ),
    _training(
        "--enable-web-access", config="trainingInput: {enableWebAccess: false}\n", enableWebAccess=True
    ),
    _training(
        "--no-enable-web-access", config="trainingInput: {enableWebAccess: true}\n", enableWebAccess=False
    ),
    _training("--enable-web-access=true", _NO),
    *(
        _training(f"--use-chief-in-tf-config={word}", useChiefInTfConfig=meant)
        for word, meant in (("yes", True), ("no", False), ("True", True), ("FALSE", False), ("YES", True))
    ),
    *(_training(f"--use-chief-in-tf-config={word}", _NO) for word in ("1", "on", "")),
    _training("--use-chief-in-tf-config", _NO),
    _training(
        "--use-chief-in-tf-config false",
        config="trainingInput: {useChiefInTfConfig: true}\n",
        useChiefInTfConfig=False,
    ),
    _training("--async"),
    _training("--async --stream-logs", _NO),
    _training("--quiet"),
    _training("-q"),
    _prediction(f"{MODEL} --quiet"),
    *(
        _training(words, _NO, differs="gcloud's own flags")
        for words in ("--format json", "--verbosity error", "--account me@example.com")
    ),
    _training("--flags-file {config}", _NO, "--scale-tier: basic-gpu\n", differs="gcloud's own flags"),
)

_N1 = {"workerType": "n1-standard-4"}
_WORKERS = f"{CUSTOM} --worker-machine-type n1-standard-4"
_PS = f"{CUSTOM} --parameter-server-machine-type n1-standard-4"

REPLICAS = (
    _training(f"{_WORKERS} --worker-count 2", WITH_CUSTOM, **_N1, workerCount="2"),
    _training(f"{_WORKERS} --worker-count 02", WITH_CUSTOM, **_N1, workerCount="2"),
    *(_training(f"{_WORKERS} --worker-count {count}", _NO) for count in ("0", "-1", "1.5", "two", "''")),
    _training(f"{_WORKERS} --worker-count unlimited", _NO, differs="unlimited replicas"),
    _training(f"{_PS} --parameter-server-count 0", _NO),
    _training(_WORKERS, _NO),
    _training(_PS, _NO),
    _training(f"{CUSTOM} --worker-count 2", _NO),
    _training(f"{CUSTOM} --parameter-server-count 2", _NO),
    _training(
        f"{CUSTOM} --worker-count 2",
        WITH_CUSTOM,
        "trainingInput: {workerType: n1-standard-4}\n",
        **_N1,
        workerCount="2",
        differs="a flag and its partner in the file",
    ),
    _training(
        _WORKERS,
        WITH_CUSTOM,
        "trainingInput: {workerCount: 2}\n",
        **_N1,
        workerCount="2",
        differs="a flag and its partner in the file",
    ),
    _training(
        "--scale-tier custom",
        WITH_CUSTOM,
        "trainingInput: {masterType: n1-standard-4}\n",
        differs="a flag and its partner in the file",
    ),
    _training(
        f"{_WORKERS} --worker-count 2",
        WITH_CUSTOM,
        "trainingInput: {workerCount: 5}\n",
        **_N1,
        workerCount="2",
    ),
    _training("--worker-machine-type n1-standard-4 --worker-count 2", _NO),
    _training("--worker-image-uri gcr.io/team/w:1", workerConfig={"imageUri": "gcr.io/team/w:1"}),
    _training("--worker-image-uri ''"),
    _training(f"{CUSTOM} --worker-accelerator type=nvidia-tesla-t4,count=1", _NO),
)

MACHINES = (
    *(_training(f"--scale-tier {tier}", scaleTier="BASIC") for tier in ("basic", "BASIC", "Basic")),
    *(_training(f"--scale-tier {tier}", scaleTier="BASIC_GPU") for tier in ("basic_gpu", "BASIC_GPU")),
    _training("--scale-tier standard-1", scaleTier="STANDARD_1"),
    *(_training(f"--scale-tier {tier}", _NO) for tier in ("huge", "''", "custom")),
    _training("--master-machine-type n1-standard-4", masterType="n1-standard-4"),
    _training("", _NO, "trainingInput: {scaleTier: CUSTOM}\n"),
    _training(
        "--scale-tier basic",
        config="trainingInput: {scaleTier: CUSTOM, masterType: n1-standard-4}\n",
        scaleTier="BASIC",
        masterType="n1-standard-4",
    ),
    *(
        _training(
            f"{CUSTOM} --master-accelerator type={kind},count=1", WITH_CUSTOM, masterConfig=_master(_T4)
        )
        for kind in ("nvidia-tesla-t4", "NVIDIA_TESLA_T4", "nvidia_tesla_t4")
    ),
    *(
        _training(f"{CUSTOM} --master-accelerator {words}", _NO)
        for words in (
            "type=nvidia-tesla-t4",
            "count=1",
            "type=nvidia-tesla-t4,count=0",
            "type=nvidia-tesla-t4,count=x",
            "type=t4,count=1",
            "type=nvidia-tesla-t4,count=1,size=2",
        )
    ),
    _training(
        f"{CUSTOM} --master-accelerator type=nvidia-tesla-t4,count=1,count=2",
        _NO,
        differs="a key twice in one flag",
    ),
    _training(
        f"{CUSTOM} --master-accelerator type=nvidia-tesla-t4,count=1",
        WITH_CUSTOM,
        "trainingInput: {masterConfig: {acceleratorConfig: {type: NVIDIA_TESLA_V100, count: 4}}}\n",
        masterConfig=_master(_T4),
    ),
    _training("--master-accelerator type=nvidia-tesla-t4,count=1", _NO),
)

_PROGRAM = (
    "trainingInput: {runtimeVersion: '2.11', pythonVersion: '3.7', pythonModule: trainer.task, "
    "packageUris: ['gs://bucket/a.tar.gz']}\n"
)
_TRAINER = "--region us-central1 --module-name trainer.task --packages gs://bucket/trainer-1.tar.gz"

PROGRAMS = (
    _bare(PACKAGES + " --packages gs://bucket/b.tar.gz", WITH_PACKAGES, packageUris=["gs://bucket/b.tar.gz"]),
    _bare(PACKAGES + " --packages gs://bucket/a.tar.gz,,gs://bucket/b.tar.gz", _NO),
    _bare("--region us-central1 --runtime-version 2.11 --python-version 3.7 --module-name trainer.task", _NO),
    _bare(f"{_TRAINER} --runtime-version 2.11", _NO),
    _bare(
        f"{_TRAINER} --runtime-version 1.15",
        {key: value for key, value in WITH_PACKAGES.items() if key in ("region", "pythonModule")},
        packageUris=["gs://bucket/trainer-1.tar.gz"],
        runtimeVersion="1.15",
    ),
    _bare(f"{_TRAINER} --runtime-version 1.13 --python-version 3.7", _NO),
    _bare(f"{_TRAINER} --runtime-version 2.1 --python-version 3.7.1", _NO),
    _bare(PACKAGES, WITH_PACKAGES, _PROGRAM),
    _bare(
        "--region us-central1",
        WITH_PACKAGES,
        _PROGRAM,
        packageUris=["gs://bucket/a.tar.gz"],
        differs="packages in the file",
    ),
    _training(
        "",
        config="trainingInput: {packageUris: ['gs://bucket/a.tar.gz']}\n",
        packageUris=["gs://bucket/a.tar.gz"],
        differs="packages in the file",
    ),
    _training("--runtime-version 2.11", _NO),
    _training("--python-version 3.7", _NO),
    _training("--module-name trainer.task", pythonModule="trainer.task"),
    _training("--runtime-version ''", runtimeVersion=""),
    _bare("--region us-central1 --master-image-uri ''", _NO),
    _training("--master-image-uri docker.io/team/x:1", masterConfig={"imageUri": "docker.io/team/x:1"}),
    _training(
        "-- --job-dir gs://bucket/x --labels a=b", args=["--job-dir", "gs://bucket/x", "--labels", "a=b"]
    ),
    _training("-- ''", args=[""]),
    _training("--epochs 3", _NO),
    _training("epochs", _NO),
    _training("", config="trainingInput: {args: [--a, b]}\n", args=["--a", "b"]),
    _training("-- c", config="trainingInput: {args: [--a, b]}\n", args=["c"]),
    _prediction(f"{MODEL} -- x", _NO),
)

FOLDERS = (
    _training("--job-dir gs://bucket", jobDir="gs://bucket/"),
    *(
        _training(f"--job-dir {path}", jobDir=path)
        for path in ("gs://bucket/", "gs://bucket/a", "gs://bucket/a/", "gs://bucket//a")
    ),
    *(_training(f"--job-dir {path}", _NO) for path in ("bucket/a", "s3://b/a", "''", "gs://")),
    _training("", config="trainingInput: {jobDir: 'gs://bucket'}\n", jobDir="gs://bucket"),
)

IDENTITY = (
    *(_training(f"--service-account {account}", _NO) for account in ("robot", "a@b", "''")),
    _training("--service-account 123456", _NO, differs="an account by its number"),
    _training("--kms-key k", _NO),
    _training("--kms-keyring r --kms-location l", _NO),
    _training("--kms-key k --kms-keyring r --kms-location l", _NO, differs="the project"),
    _training(f"--kms-key {KEY} --kms-location x", encryptionConfig={"kmsKeyName": KEY}),
    _training("--kms-key locations/l/keyRings/r/cryptoKeys/k", _NO),
    _training("--kms-key ''"),
    _training("--network n", _NO, track="beta"),
    _training(
        "--tpu-tf-version 2.11 --scale-tier basic-tpu",
        scaleTier="BASIC_TPU",
        workerConfig={"tpuTfVersion": "2.11"},
        track="beta",
    ),
    _training(
        "--network projects/12/global/networks/n",
        network="projects/12/global/networks/n",
        differs="more flags",
    ),
)

_MANIFEST = "apiVersion: mljobs.dev/v1alpha1\nkind: TrainingJob\n"

FILES = (
    _training("", config="", differs="files that gcloud fails on"),
    _training("--scale-tier basic-gpu", config="", scaleTier="BASIC_GPU"),
    _training("", config="trainingInput:\n", differs="files that gcloud fails on"),
    _training(
        "",
        config="trainingInput: {useChiefInTfConfig: 'true'}\n",
        useChiefInTfConfig=True,
        differs="files that gcloud fails on",
    ),
    *(
        _training("", _NO, config)
        for config in (
            "nonsense: 1\n",
            "trainingInput: {nonsense: 1}\n",
            "trainingInput: {scheduling: {nonsense: 1}}\n",
            "trainingInput: {scheduling: {maxRunningTime: 7200}}\n",
            "trainingInput: {workerCount: two}\n",
            "trainingInput: {runtimeVersion: 2.1}\n",
            "trainingInput: {masterConfig: {tpuTfVersion: '2.1'}}\n",
            "predictionInput: {region: us-central1}\n",
            "- a\n",
            "a: [\n",
            "trainingInput: {scaleTier: BASIC}\n---\ntrainingInput: {scaleTier: BASIC}\n",
        )
    ),
    _training("", config="jobId: other\nstate: RUNNING\netag: abcd\n"),
    _training("", config='{"trainingInput": {"scaleTier": "BASIC_GPU"}}', scaleTier="BASIC_GPU"),
    _training("", config="trainingInput: {scale_tier: BASIC_GPU}\n", scaleTier="BASIC_GPU"),
    _training(
        "",
        config="training_input: {scale_tier: BASIC_GPU}\n",
        scaleTier="BASIC_GPU",
        differs="training_input in the file",
    ),
    _training(
        "",
        config="trainingInput: {scheduling: {maxRunningTime: 7200s, priority: '5'}}\n",
        scheduling={"maxRunningTime": "7200s", "priority": 5},
    ),
    _training("--config /nowhere.yaml", _NO),
    _training(
        "",
        config=f"{_MANIFEST}spec: {{trainingInput: {{scaleTier: BASIC_GPU}}}}\n",
        scaleTier="BASIC_GPU",
        differs="manifests and standard input as the file",
    ),
    _prediction(
        MODEL, config="predictionInput: {batchSize: 5}\n", batchSize="5", differs="a file for predictions"
    ),
)

MODELS = (
    _prediction("", _NO),
    _prediction(f"{MODEL} --model m", _NO),
    _prediction("--model m", _NO, differs="the project"),
    _prediction("--model m --version v", _NO, differs="the project"),
    *(
        _prediction(f"--model {model}", PREDICTED, modelName="projects/q/models/m")
        for model in (
            "projects/q/models/m",
            "https://ml.googleapis.com/v1/projects/q/models/m",
            "https://www.googleapis.com/ml/v1/projects/q/models/m",
        )
    ),
    *(
        _prediction(
            f"--model {model} --version {version}",
            PREDICTED,
            versionName="projects/other/models/n/versions/v",
        )
        for model in ("m", "projects/q/models/m")
        for version in (
            "projects/other/models/n/versions/v",
            "https://ml.googleapis.com/v1/projects/other/models/n/versions/v",
        )
    ),
    _prediction(
        "--model projects/q/models/m --version v",
        PREDICTED,
        versionName="projects/q/models/m/versions/v",
        differs="a version of a model by its full name",
    ),
    _prediction("--version projects/other/models/m/versions/v", _NO),
    _prediction(f"{MODEL} --version v", _NO),
    *(
        _prediction(f"--model {model}", _NO)
        for model in ("models/m", "projects/q/models/m/versions/v", "gs://bucket/model")
    ),
    *(
        _prediction(f"--project q --model m --version {version}", _NO)
        for version in ("models/m/versions/v", "m/v")
    ),
    _prediction("--project q --model ''", _NO),
    _prediction("--model-dir ''", _NO),
)

NUMBERS_AND_PATHS = (
    *(
        _prediction(f"{MODEL} --data-format {word}", dataFormat="TF_RECORD")
        for word in ("TF_RECORD", "tf_record")
    ),
    _prediction(f"{MODEL} --data-format TEXT"),
    _prediction(f"{MODEL} --data-format csv", _NO),
    _prediction(f"{MODEL} --data-format json", dataFormat="JSON", differs="JSON by its own name"),
    _prediction(
        f"{MODEL} --input-paths gs://bucket/a --input-paths gs://bucket/b", inputPaths=["gs://bucket/b"]
    ),
    _prediction(f"{MODEL} --input-paths gs://bucket/a,", inputPaths=["gs://bucket/a"]),
    *(
        _prediction(f"{MODEL} --input-paths {paths}", _NO)
        for paths in ("gs://bucket/a,,gs://bucket/b", "''", "/local")
    ),
    _prediction(f"{MODEL} --output-path gs://bucket", outputPath="gs://bucket"),
    _prediction(f"{MODEL} --output-path ''", _NO),
    _prediction(f"{MODEL} --max-worker-count 0", maxWorkerCount="0"),
    _prediction(f"{MODEL} --max-worker-count 5 --max-worker-count 6", maxWorkerCount="6"),
    *(_prediction(f"{MODEL} --max-worker-count {count}", _NO) for count in ("-3", "x", "1.5")),
    _prediction(f"{MODEL} --batch-size 1_000", _NO, differs="numbers with underscores"),
    _prediction(f"{MODEL} --runtime-version 2.11", runtimeVersion="2.11"),
    _prediction(f"{MODEL} --region us-central1-b", region="us-central1-b"),
    Line(
        "prediction without a region, us-east1",
        "prediction",
        f"--data-format text --input-paths gs://bucket/in* --output-path gs://bucket/out {MODEL}",
        {"predictionInput": {**WITH_MODEL, "region": "us-east1"}},
        env=_REGION,
        differs="region of predictions",
    ),
)

OURS = (
    _training("--deletion-policy Orphan", deletionPolicy="Orphan", differs="more flags"),
    _training("--suspend", suspend=True, differs="more flags"),
    _training("", job="census-nightly", differs="ids that the service refuses"),
)

COMMAND_LINES = (
    *LINES,
    *LABELS,
    *PLACES,
    *SWITCHES,
    *REPLICAS,
    *MACHINES,
    *PROGRAMS,
    *FOLDERS,
    *IDENTITY,
    *FILES,
    *MODELS,
    *NUMBERS_AND_PATHS,
    *OURS,
)
"""All of them, the usual ones first."""
