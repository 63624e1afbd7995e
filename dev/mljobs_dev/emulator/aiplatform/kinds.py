"""The three kinds of jobs, and what differs between them by name alone."""

from dataclasses import dataclass

from mljobs_dev.emulator.aiplatform.document import COLLECTIONS, PREFIX


@dataclass(frozen=True)
class Kind:
    """A kind of job.

    Attributes:
        collection: of the path, of lists and of permissions: `customJobs`.
        noun: what errors call it: `CustomJob`.
        payload: what the JSON layer's errors call the body of a create: `custom_job`.
        spec: the field that holds a CustomJobSpec; empty where there is none.
        log_task: the task under which its program logs.
    """

    collection: str
    noun: str
    payload: str
    spec: str = ""
    log_task: str = "workerpool0-0"

    @property
    def schema(self) -> str:
        """The name of the job's schema."""
        return COLLECTIONS[self.collection]

    @property
    def cancel_schema(self) -> str:
        """The name of the schema of a cancel's body."""
        return f"{PREFIX}Cancel{self.noun}Request"

    def method(self, verb: str) -> str:
        """A method's name in the discovery document."""
        return f"aiplatform.projects.locations.{self.collection}.{verb}"

    def permission(self, verb: str) -> str:
        """The permission that a method needs (documentation of IAM permissions)."""
        return f"aiplatform.{self.collection}.{verb}"


CUSTOM = Kind("customJobs", "CustomJob", "custom_job", "jobSpec")
TUNING = Kind(
    "hyperparameterTuningJobs", "HyperparameterTuningJob", "hyperparameter_tuning_job", "trialJobSpec"
)
BATCH = Kind("batchPredictionJobs", "BatchPredictionJob", "batch_prediction_job", log_task="service")
KINDS = {kind.collection: kind for kind in (CUSTOM, TUNING, BATCH)}
