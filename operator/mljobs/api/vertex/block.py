"""`spec.vertex`: laid over the translation of an input, or the whole job where there is none."""

from typing import Annotated

from pydantic import Field

from mljobs.api.base import Int32, Model, Word
from mljobs.api.vertex.batch import BatchPredictionJob
from mljobs.api.vertex.job import CustomJobSpec, EncryptionSpec, Path
from mljobs.api.vertex.study import StudySpec

Versions = Annotated[dict[str, Path], Field(max_length=16)]
"""Vertex's models by the legacy names of versions."""

Models = Annotated[dict[str, Versions], Field(max_length=16)]
"""Those by the legacy names of models."""


class Vertex(Model):
    """What both kinds have in common."""

    region: Word | None = None
    """The region to run in, such as `us-central1`. Required without an input, which has it otherwise."""

    display_name: Word | None = None
    """The job's name for people. Left out, the job's id."""


class TrainingVertex(Vertex):
    """A training job in Vertex AI's words: laid over trainingInput, or the whole job without one."""

    job_spec: CustomJobSpec | None = None
    """The job, or with studySpec the job of each trial. Required without trainingInput."""

    study_spec: StudySpec | None = None
    """Makes the job a search for the best parameters, or changes the one of trainingInput."""

    max_trial_count: Int32 | None = None
    """How many trials to run in all. Left out, as in trainingInput, and 1 without one."""

    parallel_trial_count: Int32 | None = None
    """How many trials run at the same time. Left out, as in trainingInput, and 1 without one."""

    max_failed_trial_count: Int32 | None = None
    """After how many failed trials the job fails. With 0, the default, the service decides."""

    encryption_spec: EncryptionSpec | None = None
    """A key of your own for the job's data at rest. Not together with trainingInput.encryptionConfig."""


class PredictionVertex(Vertex):
    """A batch prediction in Vertex AI's words: laid over predictionInput, or the whole job without one."""

    models: Models | None = None
    """Vertex's models by the names of ml v1's: model, then version, then
    `projects/P/locations/R/models/ID@VERSION`."""

    batch_prediction_job: BatchPredictionJob | None = None
    """The job. Required without predictionInput."""
