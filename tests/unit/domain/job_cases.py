"""Cases of the rules for the job itself, for a training job's program, and for prediction jobs."""

from tests.unit.domain.placement_cases import PLACEMENT_CASES
from tests.unit.domain.rule_case import (
    LONG,
    PACKAGES,
    PREDICT,
    PREDICTION,
    TRAINING,
    image,
    job,
    package,
    predict,
)

SCRIPTS = ("größe", "équipe", "ñandú", "команда", "ομάδα", "チ_ム", "名", "팀", "צוות", "فريق", "ทม")
"""Words of several scripts, of letters that have no case or are lower-case."""

BINDING = {"role": "roles/ml.jobOwner", "members": ["user:a@b.c"]}

JOB_CASES = [
    *job(
        "project-required",
        [{"projectId": None}, {"projectId": ""}],
        [{"projectId": "p"}],
    ),
    *job(
        "project-id",
        [{"projectId": "My_Project"}, {"projectId": "a/b"}, {"projectId": "-a"}, {"projectId": "a\n"}],
        [{"projectId": "123456"}, {"projectId": "example.com:my-project"}],
    ),
    *job(
        "job-id",
        [
            {"jobId": "1a"},
            {"jobId": "a-b"},
            {"jobId": "a.b"},
            {"jobId": "ä"},
            {"jobId": "_a"},
            {"jobId": "a\n"},
        ],
        [{"jobId": "a"}, {"jobId": "A_" + "9" * 126}, {"jobId": ""}],
    ),
    *job("active-deadline", [{"activeDeadlineSeconds": 0}], [{"activeDeadlineSeconds": 1}]),
    *job("start-deadline", [{"startDeadlineSeconds": 0}], [{"startDeadlineSeconds": 1}]),
    *job("ttl", [{"ttlSecondsAfterFinished": -1}], [{"ttlSecondsAfterFinished": 0}]),
    *(
        one
        for outcome in ("succeeded", "failed", "cancelled")
        for one in job(
            f"ttl-{outcome}",
            [{"ttlSecondsByOutcome": {outcome: -1}}],
            [{"ttlSecondsByOutcome": {outcome: 0}}],
        )
    ),
    *job("backoff-limit", [{"backoffLimit": -1}, {"backoffLimit": 101}], [{"backoffLimit": 100}]),
    *job(
        "failure-exit-code",
        [{"failurePolicy": {"rules": [{"onExitCodes": [1, 256], "action": "Fail"}]}}],
        [{"failurePolicy": {"rules": [{"onExitCodes": [1, 255], "action": "Fail"}]}}],
    ),
    *job(
        "failure-message-pattern",
        [
            {"failurePolicy": {"rules": [{"onMessagePatterns": [pattern], "action": "Fail"}]}}
            for pattern in ("(", "[a", "*a", r"(a)\1", "(?=a)", "a{1001}", "((a{100}){100}){100}", "\\")
        ],
        [
            {"failurePolicy": {"rules": [{"onMessagePatterns": [pattern], "action": "Fail"}]}}
            for pattern in (
                "a",
                "(?i)CUDA error: .*",
                r"\bNCCL\b",
                r"^\pL+$",
                "(a+)+b",
                "[ä]",
                "a{1000}",
                r"\.",
            )
        ],
    ),
    *job(
        "failure-rule-about",
        [
            {"failurePolicy": {"rules": [{"action": "Fail"}]}},
            {"failurePolicy": {"rules": [{"onCauses": ["Unknown"], "action": "Fail"}, {"action": "Retry"}]}},
        ],
        [
            {"failurePolicy": {"rules": [{"onCauses": ["Unknown"], "action": "Fail"}]}},
            {"failurePolicy": {"rules": [{"onExitCodes": [0, 255], "action": "Retry"}]}},
            {"failurePolicy": {"rules": [{"onMessagePatterns": ["a"], "action": "Retry"}]}},
        ],
    ),
    *PLACEMENT_CASES,
    *job(
        "managed-by",
        [
            {"managedBy": "kueue"},
            {"managedBy": "/multikueue"},
            {"managedBy": "example.com/"},
            {"managedBy": "Example.com/x"},
            {"managedBy": "example..com/x"},
            {"managedBy": "example.com/a b"},
            {"managedBy": "example.com/a\n"},
        ],
        [
            {"managedBy": "mljobs.dev/operator"},
            {"managedBy": "kueue.x-k8s.io/multikueue"},
            {"managedBy": "a/B/c%20~!$&'()*+,;=:-._"},
            {"managedBy": ""},
        ],
    ),
    *job("training-input-required", [{"trainingInput": None}], [{}], kinds=(TRAINING,)),
    *job("prediction-input-required", [{"predictionInput": None}], [{}], kinds=(PREDICTION,)),
    *job(
        "training-job-one-input",
        [{"predictionInput": PREDICT["predictionInput"]}],
        [{"predictionInput": None}],
        kinds=(TRAINING,),
    ),
    *job(
        "prediction-job-one-input",
        [{"trainingInput": PACKAGES["trainingInput"]}],
        [{"trainingInput": None}],
        kinds=(PREDICTION,),
    ),
    *job(
        "iam-role",
        [{"iamBindings": [{**BINDING, "role": role}]} for role in ("ml.jobOwner", "role/x", "roles/a b")],
        [
            {"iamBindings": [{**BINDING, "role": role}]}
            for role in ("roles/ml.jobOwner", "projects/p/roles/x")
        ],
    ),
    *job(
        "iam-member",
        [
            {"iamBindings": [{**BINDING, "members": [member]}]}
            for member in ("a@b.c", "everybody", "user:", ":a", ":")
        ],
        [{"iamBindings": [{**BINDING, "members": ["allUsers", "user:a@b.c", "principalSet://iam/x"]}]}],
    ),
    *job(
        "labels-count",
        [{"labels": {f"k{index}": "v" for index in range(61)}}],
        [{"labels": {f"k{index}": "v" for index in range(60)}}, {"labels": {}}],
    ),
    *job(
        "label-key",
        [
            {"labels": {"Team": "a"}},
            {"labels": {"1a": "a"}},
            {"labels": {"_a": "a"}},
            {"labels": {"a.b/c": "a"}},
            {"labels": {"": "a"}},
            {"labels": {LONG + "x": "a"}},
            *({"labels": {key: "a"}} for key in ("É", "aÉ", "1é", "²", "ʰ", "Ǆ", "ǅ", "a\u0301", "é" * 64)),
        ],
        [
            {"labels": {"team": "a"}},
            {"labels": {"größe-1_": "a"}},
            {"labels": {LONG: "a"}},
            *({"labels": {key: "a"}} for key in (*SCRIPTS, "é", "a²", "名" * 63, "\U00020bb7" * 63)),
        ],
    ),
    *job(
        "label-value",
        [{"labels": {"a": value}} for value in ("A", "a b", "a.b", "É", "ʰ", "a\u0301", "名\n")],
        [
            {"labels": {"a": value}}
            for value in ("", "1_é-", "²", "٣", LONG, "名" * 63, "\U00020bb7" * 63, *SCRIPTS)
        ],
    ),
    *job(
        "label-reserved",
        [{"labels": {"mljobs-uid": "x"}}],
        [{"labels": {"mljobs-else": "x"}}],
    ),
]

PROGRAM_CASES = [
    *package("region-required", [{"region": None}, {"region": ""}], [{"region": "europe-west4"}]),
    *package(
        "region-form",
        [{"region": "us-central1-a"}, {"region": "mars"}],
        [{"region": "northamerica-northeast1"}],
    ),
    *package("runtime-version-required", [{"runtimeVersion": None}, {"runtimeVersion": ""}], [{}]),
    *image("runtime-version-required", [], [{}]),
    *image("runtime-version-image", [{"runtimeVersion": "2.11"}], [{"runtimeVersion": ""}]),
    *package(
        "runtime-version",
        [{"runtimeVersion": "2"}, {"runtimeVersion": "2.11.0"}, {"runtimeVersion": "v2.1"}],
        [{"runtimeVersion": "1.15"}, {"runtimeVersion": "2.1"}],
    ),
    *package("package-uris-required", [{"packageUris": None}, {"packageUris": []}], [{}]),
    *image("package-uris-required", [], [{}]),
    *package(
        "package-uris-count",
        [{"packageUris": [f"gs://bucket/{index}" for index in range(101)]}],
        [{"packageUris": [f"gs://bucket/{index}" for index in range(100)]}],
    ),
    *package(
        "package-uri",
        [
            {"packageUris": ["trainer.tar.gz"]},
            {"packageUris": ["gs://bucket"]},
            {"packageUris": ["s3://b/o"]},
            {"packageUris": [""]},
        ],
        [{"packageUris": ["gs://bucket/a b.tar.gz", "gs://other_bucket.org/x"]}],
    ),
    *package("python-module-required", [{"pythonModule": None}, {"pythonModule": ""}], [{}]),
    *image("python-module-required", [], [{}]),
    *image(
        "program-image",
        [{"packageUris": ["gs://bucket/a"]}, {"pythonModule": "trainer.task"}],
        [{"packageUris": []}],
    ),
    *package(
        "python-version-required",
        [{"pythonVersion": python, "runtimeVersion": "2.1"} for python in (None, "")],
        [{"pythonVersion": None, "runtimeVersion": version} for version in ("1.15", "1.9", "0.12")],
    ),
    *image("python-version-required", [], [{}]),
    *package(
        "python-version-missing",
        [{"pythonVersion": None, "runtimeVersion": version} for version in ("1.15", "1.9", "0.12")],
        [{}],
    ),
    *image("python-version-missing", [], [{}]),
    *image("python-version-image", [{"pythonVersion": "3.7"}], [{"pythonVersion": ""}]),
    *package(
        "python-version", [{"pythonVersion": "3"}, {"pythonVersion": "3.9"}, {"pythonVersion": "3x7"}], [{}]
    ),
    *package(
        "python-3-7-runtime",
        [{"runtimeVersion": "1.14"}, {"runtimeVersion": "1.4"}, {"runtimeVersion": "0.12"}],
        [{"runtimeVersion": "1.15"}, {"runtimeVersion": "2.1"}, {"runtimeVersion": "10.0"}],
    ),
    *package(
        "python-3-5-runtime",
        [{"pythonVersion": "3.5", "runtimeVersion": version} for version in ("1.3", "1.15", "2.4")],
        [{"pythonVersion": "3.5", "runtimeVersion": version} for version in ("1.4", "1.9", "1.14")],
    ),
    *package(
        "python-2-7-runtime",
        [{"pythonVersion": "2.7", "runtimeVersion": version} for version in ("1.16", "2.1")],
        [{"pythonVersion": "2.7", "runtimeVersion": version} for version in ("1.0", "1.15", "0.12")],
    ),
    *image(
        "args-container",
        [
            {"args": ["-x"], "masterConfig": {"containerArgs": ["a"]}},
            {"args": ["-x"], "evaluatorConfig": {"containerCommand": ["a"]}},
        ],
        [{"args": ["-x"], "masterConfig": {"containerArgs": []}}, {"masterConfig": {"containerArgs": ["a"]}}],
    ),
    *package(
        "network",
        [{"network": "projects/my-project/global/networks/n"}, {"network": "my-vpc"}],
        [{"network": "projects/12345/global/networks/myVPC"}],
    ),
    *package(
        "kms-key-name",
        [{"encryptionConfig": {"kmsKeyName": "projects/p/locations/l/keyRings/r"}}],
        [{"encryptionConfig": {"kmsKeyName": "projects/p/locations/global/keyRings/r/cryptoKeys/k"}}],
    ),
    *package(
        "job-dir",
        [{"jobDir": "/data/out"}, {"jobDir": "gs://"}, {"jobDir": "gs:///a"}, {"jobDir": "s3://b/a"}],
        [{"jobDir": "gs://c7n-test-data"}, {"jobDir": "gs://bucket/dir/"}, {"jobDir": ""}],
    ),
    *package("chief-image", [{"useChiefInTfConfig": True}], [{"useChiefInTfConfig": False}]),
    *image("chief-image", [], [{"useChiefInTfConfig": True}]),
    *package(
        "service-account",
        [{"serviceAccount": "trainer"}, {"serviceAccount": "a b@c"}],
        [{"serviceAccount": "trainer@my-project.iam.gserviceaccount.com"}],
    ),
    *package("service-account-empty", [{"serviceAccount": ""}], [{"serviceAccount": "a@b.c"}]),
    *package(
        "max-running-time",
        [{"scheduling": {"maxRunningTime": text}} for text in ("7200", "2h", "-1s", "1.0000000001s", "s")],
        [{"scheduling": {"maxRunningTime": text}} for text in ("7200s", "0.5s", "1.123456789s")],
    ),
    *package(
        "max-running-time-least",
        [{"scheduling": {"maxRunningTime": text}} for text in ("0s", "0.000000000s")],
        [{"scheduling": {"maxRunningTime": text}} for text in ("0.000000001s", "1s")],
    ),
    *package(
        "max-wait-time",
        [{"scheduling": {"maxWaitTime": text}} for text in ("3600", "1h")],
        [{"scheduling": {"maxWaitTime": "3600s"}}],
    ),
    *package(
        "max-wait-time-least",
        [{"scheduling": {"maxWaitTime": text}} for text in ("0s", "1799.999999999s", "00900s")],
        [{"scheduling": {"maxWaitTime": text}} for text in ("1800s", "001800.0s", "999999999999s")],
    ),
    *package(
        "priority",
        [{"scheduling": {"priority": -1}}, {"scheduling": {"priority": 1001}}],
        [{"scheduling": {"priority": 0}}, {"scheduling": {"priority": 1000}}],
    ),
]

PREDICTION_CASES = [
    *predict(
        "data-format-required",
        [{"dataFormat": None}, {"dataFormat": "DATA_FORMAT_UNSPECIFIED"}],
        [{"dataFormat": "TF_RECORD"}, {"dataFormat": "TF_RECORD_GZIP"}],
    ),
    *predict("data-format-csv", [{"dataFormat": "CSV"}], [{"outputDataFormat": "CSV"}]),
    *predict("data-format-text", [{"dataFormat": "TEXT"}], [{}]),
    *predict(
        "output-data-format",
        [{"outputDataFormat": "TF_RECORD"}, {"outputDataFormat": "TF_RECORD_GZIP"}],
        [{"outputDataFormat": "JSON"}, {"outputDataFormat": "DATA_FORMAT_UNSPECIFIED"}],
    ),
    *predict("output-data-format-text", [{"outputDataFormat": "TEXT"}], [{"outputDataFormat": "JSON"}]),
    *predict(
        "input-paths-required", [{"inputPaths": None}, {"inputPaths": []}], [{"inputPaths": ["gs://b/*"]}]
    ),
    *predict(
        "input-path",
        [{"inputPaths": ["gs://b/1", "/data/x"]}, {"inputPaths": [""]}],
        [{"inputPaths": ["gs://b/1", "gs://b/?"]}],
    ),
    *predict("output-path-required", [{"outputPath": None}, {"outputPath": ""}], [{}]),
    *predict("output-path", [{"outputPath": "out"}], [{"outputPath": "gs://bucket"}]),
    *predict("prediction-region-required", [{"region": None}, {"region": ""}], [{}]),
    *predict("prediction-region-form", [{"region": "us-central1-a"}], [{"region": "asia-east1"}]),
    *predict(
        "model-source-required",
        [{"modelName": None}, {"modelName": ""}],
        [
            {"modelName": None, "versionName": "projects/p/models/m/versions/v"},
            {"modelName": None, "uri": "gs://bucket/model"},
            {"modelName": "projects/p/models/m", "uri": ""},
        ],
    ),
    *predict(
        "model-source-single-version",
        [{"versionName": "projects/p/models/m/versions/v"}],
        [{"modelName": "", "versionName": "projects/p/models/m/versions/v"}],
    ),
    *predict(
        "model-source-single-uri",
        [
            {"uri": "gs://bucket/model"},
            {"modelName": None, "versionName": "projects/p/models/m/versions/v", "uri": "gs://bucket/model"},
        ],
        [{"modelName": None, "uri": "gs://bucket/model", "runtimeVersion": "2.11"}],
    ),
    *predict(
        "model-name",
        [{"modelName": "census"}, {"modelName": "projects/p/models/m/versions/v"}],
        [{"modelName": "projects/p/models/m"}],
    ),
    *predict(
        "version-name",
        [{"modelName": None, "versionName": "v1"}, {"modelName": None, "versionName": "projects/p/models/m"}],
        [{"modelName": None, "versionName": "projects/p/models/m/versions/v"}],
    ),
    *predict(
        "model-uri",
        [{"modelName": None, "uri": "bucket/model"}],
        [{"modelName": None, "uri": "gs://bucket/model/"}],
    ),
    *predict("prediction-accelerator", [{"accelerator": {"count": "1", "type": "NVIDIA_TESLA_P4"}}], [{}]),
    *predict("max-worker-count", [{"maxWorkerCount": -1}], [{"maxWorkerCount": 0}, {"maxWorkerCount": "10"}]),
    *predict("batch-size", [{"batchSize": "-1"}], [{"batchSize": 64}]),
    *predict("prediction-runtime-version", [{"runtimeVersion": "2"}], [{"runtimeVersion": "2.11"}]),
]
