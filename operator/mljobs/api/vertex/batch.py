"""`BatchPredictionJob` as a request may hold it, and its inputs, outputs and machines."""

from typing import Annotated

from pydantic import Field

from mljobs.api.base import AnyJson, Flag, Int32, Model, Name, Uri, Word
from mljobs.api.vertex.explanation import ExplanationSpec, GcsSource
from mljobs.api.vertex.job import EncryptionSpec, GcsDestination, MachineSpec
from mljobs.api.vertex.serving import UnmanagedContainerModel

FieldNames = Annotated[tuple[Word, ...], Field(max_length=128)]
"""Names of an instance's fields."""


class BigQuerySource(Model):
    """A table that is read."""

    input_uri: Uri | None = None
    """The table, `bq://PROJECT.DATASET.TABLE`. Required."""


class BigQueryDestination(Model):
    """Where tables are written."""

    output_uri: Uri | None = None
    """A project, a dataset or a table: `bq://PROJECT`, `bq://PROJECT.DATASET.TABLE`. Required."""


class VertexMultimodalDatasetSource(Model):
    """A multimodal dataset that is read."""

    dataset_name: Name | None = None
    """The dataset, `projects/P/locations/R/datasets/ID`. Required."""


class VertexMultimodalDatasetDestination(Model):
    """A multimodal dataset that is made."""

    bigquery_destination: BigQueryDestination | None = None
    """Where its table is written."""

    display_name: Word | None = None
    """The dataset's name for people."""


class InputConfig(Model):
    """What is read."""

    instances_format: Word | None = None
    """`jsonl`, `csv`, `tf-record`, `tf-record-gzip`, `bigquery` or `file-list`. Required."""

    gcs_source: GcsSource | None = None
    """Files in Cloud Storage. Exactly one source is required."""

    bigquery_source: BigQuerySource | None = None
    """A table. Exactly one source is required."""

    vertex_multimodal_dataset_source: VertexMultimodalDatasetSource | None = None
    """A multimodal dataset. Exactly one source is required."""


class InstanceConfig(Model):
    """How what is read becomes what the model gets."""

    instance_type: Word | None = None
    """`object` or `array`."""

    key_field: Name | None = None
    """The field that is a key: not sent, and written instead of the instance."""

    included_fields: FieldNames | None = None
    """Fields that are sent, in this order. Either these or excludedFields."""

    excluded_fields: FieldNames | None = None
    """Fields that are not sent. Either these or includedFields."""


class OutputConfig(Model):
    """What is written."""

    predictions_format: Word | None = None
    """`jsonl`, `csv` or `bigquery`. Required."""

    gcs_destination: GcsDestination | None = None
    """A folder in Cloud Storage. Exactly one destination is required."""

    bigquery_destination: BigQueryDestination | None = None
    """Tables. Exactly one destination is required."""

    vertex_multimodal_dataset_destination: VertexMultimodalDatasetDestination | None = None
    """A multimodal dataset. Exactly one destination is required."""


class BatchDedicatedResources(Model):
    """The machines of a batch prediction."""

    machine_spec: MachineSpec | None = None
    """Each machine. Required."""

    starting_replica_count: Int32 | None = None
    """How many machines. A batch prediction does not scale: this number counts."""

    max_replica_count: Int32 | None = None
    """How many machines at the most; has no effect. The service's default is 10."""


class ManualBatchTuningParameters(Model):
    """How records are put together."""

    batch_size: Int32 | None = None
    """How many records go into one call of the model. The service's default is 64."""


class BatchPredictionJob(Model):
    """A batch prediction. The job's labels stand in `spec.labels`."""

    display_name: Word | None = None
    """The job's name for people. Not together with vertex.displayName."""

    model: Name | None = None
    """The model, `projects/P/locations/R/models/ID`, with `@VERSION` where wanted. Either this or
    unmanagedContainerModel is required."""

    unmanaged_container_model: UnmanagedContainerModel | None = None
    """A model that is in no registry. Either this or model is required."""

    input_config: InputConfig | None = None
    """What is read. Required, unless the translation gives it."""

    instance_config: InstanceConfig | None = None
    """How what is read becomes what the model gets."""

    model_parameters: AnyJson | None = None
    """Parameters of the prediction, in the model's own form."""

    output_config: OutputConfig | None = None
    """What is written. Required, unless the translation gives it."""

    dedicated_resources: BatchDedicatedResources | None = None
    """The machines; a model of one's own needs them."""

    service_account: Name | None = None
    """The service account that the model's container runs as."""

    manual_batch_tuning_parameters: ManualBatchTuningParameters | None = None
    """How records are put together."""

    generate_explanation: Flag | None = None
    """Whether predictions are explained."""

    explanation_spec: ExplanationSpec | None = None
    """How they are explained. Only with generateExplanation."""

    disable_container_logging: Flag | None = None
    """Whether the model's container writes no logs."""

    encryption_spec: EncryptionSpec | None = None
    """A key of your own for the job's data at rest."""
