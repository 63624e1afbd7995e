"""Why a job of Vertex AI has failed: it gives a text, and the number of a google.rpc.Code.

The number alone says little: 8 is a lack of machines, of quota, and of memory. No public text of a job that
failed by the preemption of its Spot machines is known; the service restarts such a job by itself first.
"""

from mljobs.api.outputs import Cause
from mljobs.backends.google.causes import Row

_ERRORS = "the service's page on training errors"
_CODES = "google.rpc.Code"

ROWS = (
    Row(
        Cause.OUT_OF_MEMORY,
        r"^Replicas low on memory: ",
        "Replicas low on memory: workerpool0. Specify a machine with larger memory and try again.",
        "public logs of several projects, one of them with code 8",
    ),
    Row(
        Cause.OUT_OF_MEMORY,
        r"ran out of memory and exited with a non-zero status of (?P<code>\d+)",
        "The replica workerpool0-0 ran out of memory and exited with a non-zero status of 137.",
        _ERRORS,
    ),
    Row(
        Cause.USER_CODE,
        r"The replica workerpool\d+-\d+ exited with a non-zero status of (?P<code>\d+)",
        "The replica workerpool0-0 exited with a non-zero status of 1. To find out more about why your job "
        "exited please check the logs: https://console.cloud.google.com/logs/viewer?project=…",
        f"{_ERRORS}; public issue tensorflow/models#10735",
    ),
    Row(
        Cause.NO_CAPACITY,
        r"^Resources are insufficient in region: ",
        "Resources are insufficient in region: us-central1. Try a different region or use a different "
        "accelerator.",
        f"{_ERRORS}; public issue openreview/openreview-expertise#401",
    ),
    Row(
        Cause.QUOTA_EXCEEDED,
        r"The following quota metrics exceed quota limits: ",
        "The following quota metrics exceed quota limits: "
        "aiplatform.googleapis.com/custom_model_training_cpus",
        "public issue GoogleCloudPlatform/vertex-ai-samples#3479, with code 8",
    ),
    Row(
        Cause.IMAGE_PULL,
        r"does not have permission to access Artifact Registry repository ",
        "Vertex AI Service Agent service-1@gcp-sa-aiplatform-cc.iam.gserviceaccount.com does not have "
        "permission to access Artifact Registry repository projects/p/locations/r/repositories/images.",
        "a public course's page, of a pipeline's job",
    ),
    Row(
        Cause.INFRASTRUCTURE,
        r"Internal error occurred for the current attempt",
        "Internal error occurred for the current attempt",
        _ERRORS,
    ),
    Row(
        Cause.USER_CODE,
        r"^Model server terminated: model server container terminated: [^\n]*\n\s*exit_code: (?P<code>\d+)",
        "Model server terminated: model server container terminated: go/debugproto  \nexit_code: 1\n"
        'reason: "',
        "recorded traffic: a batch prediction whose model does not start",
    ),
    Row(
        Cause.USER_CODE,
        r"^The input GCS object doesn't exist: ",
        "The input GCS object doesn't exist: gs://my-bucket/input/us-central1/test_data.jsonl",
        "recorded traffic: a batch prediction, 2 s to 1 min after its start",
    ),
    Row(Cause.PERMISSION, "", "(code 7, PERMISSION_DENIED)", _CODES, number=7),
    Row(Cause.INFRASTRUCTURE, "", "(code 13, INTERNAL)", _CODES, number=13),
    Row(Cause.INFRASTRUCTURE, "", "(code 14, UNAVAILABLE)", _CODES, number=14),
)
"""The table, in the order in which it is read."""
