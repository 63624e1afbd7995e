"""The discovery document of `aiplatform` v1 as far as a request may hold it, and where it stands in a spec.

What a request may not hold, and what stands elsewhere, is taken out here, by name and with the reason.
"""

import copy
from collections.abc import Iterator

from pydantic import BaseModel

from mljobs.api.resources import JobKind
from mljobs.api.vertex import batch, explanation, job, serving, study
from tests.unit.api import discovery
from tests.unit.api.discovery import Schema, Schemas

PREFIX = "GoogleCloudAiplatformV1"

ROOTS = ("CustomJobSpec", "StudySpec", "BatchPredictionJob", "EncryptionSpec")
"""The messages that stand in `spec.vertex` as they are."""

ELSEWHERE = {
    ("BatchPredictionJob", "labels"): "spec.labels has them, which the operator changes and adds its own to",
}
"""Fields that the block does not have, and why."""

PARAMETER = "StudySpecParameterSpec"
CONDITIONAL = f"{PARAMETER}ConditionalParameterSpec"

LEVELS = {
    PARAMETER: (PARAMETER, CONDITIONAL),
    CONDITIONAL: (CONDITIONAL, f"{PARAMETER}Inner"),
    f"{PARAMETER}Inner": (PARAMETER, f"{CONDITIONAL}Inner"),
    f"{CONDITIONAL}Inner": (CONDITIONAL, f"{PARAMETER}Leaf"),
    f"{PARAMETER}Leaf": (PARAMETER, None),
}
"""A parameter contains parameters, which a structural schema cannot say: each level under a name of its own,
with the message that it is and the level that it contains; None for the last one."""

IRREGULAR: dict[str, type[BaseModel]] = {
    "Scheduling": job.VertexScheduling,
    PARAMETER: study.StudyParameterSpec,
    CONDITIONAL: study.ConditionalParameterSpec,
    f"{PARAMETER}Inner": study.InnerParameterSpec,
    f"{CONDITIONAL}Inner": study.InnerConditionalParameterSpec,
    f"{PARAMETER}Leaf": study.LeafParameterSpec,
}
"""Messages whose models have other names, since ml v1 has models of these."""

PLACES = {
    "TrainingJob": {
        ("CustomJob", "displayName"): "spec.vertex.displayName",
        ("CustomJob", "labels"): "spec.labels",
        ("CustomJob", "encryptionSpec"): "spec.vertex.encryptionSpec",
        ("CustomJob", "jobSpec"): "spec.vertex.jobSpec",
        ("HyperparameterTuningJob", "displayName"): "spec.vertex.displayName",
        ("HyperparameterTuningJob", "labels"): "spec.labels",
        ("HyperparameterTuningJob", "encryptionSpec"): "spec.vertex.encryptionSpec",
        ("HyperparameterTuningJob", "trialJobSpec"): "spec.vertex.jobSpec",
        ("HyperparameterTuningJob", "studySpec"): "spec.vertex.studySpec",
        ("HyperparameterTuningJob", "maxTrialCount"): "spec.vertex.maxTrialCount",
        ("HyperparameterTuningJob", "parallelTrialCount"): "spec.vertex.parallelTrialCount",
        ("HyperparameterTuningJob", "maxFailedTrialCount"): "spec.vertex.maxFailedTrialCount",
    },
    "PredictionJob": {("", "BatchPredictionJob"): "spec.vertex.batchPredictionJob"},
}
"""Where the fields of the three jobs stand, by kind."""

OWN = {
    "TrainingJob": {"spec.vertex.region"},
    "PredictionJob": {"spec.vertex.region", "spec.vertex.displayName", "spec.vertex.models"},
}
"""What the block has and the jobs have not: the region is part of the request's path."""


def load() -> dict[str, Schema]:
    """The schemas of the document, as far as a request may hold them; see `LEVELS` for the names."""
    schemas = copy.deepcopy(discovery.load("aiplatform.v1"))
    for schema in schemas.values():
        fields = schema.get("properties", {})
        schema["properties"] = {name: node for name, node in fields.items() if not node.get("readOnly")}
    for name, field in ELSEWHERE:
        del schemas[PREFIX + name]["properties"][field]
    return {**schemas, **dict(_levels(schemas))}


def _levels(schemas: Schemas) -> Iterator[tuple[str, Schema]]:
    for level, (message, inner) in LEVELS.items():
        made = copy.deepcopy(schemas[PREFIX + message])
        if inner is None:
            del made["properties"]["conditionalParameterSpecs"]
        elif message == PARAMETER:
            made["properties"]["conditionalParameterSpecs"]["items"]["$ref"] = PREFIX + inner
        else:
            made["properties"]["parameterSpec"]["$ref"] = PREFIX + inner
        yield PREFIX + level, made


def model_of(name: str) -> type[BaseModel] | None:
    """The model of a message: the one whose name ends the message's name, and the longest of these."""
    word = name.removeprefix(PREFIX)
    if word in IRREGULAR:
        return IRREGULAR[word]
    modules = (job, study, serving, explanation, batch)
    found = {name: value for module in modules for name, value in vars(module).items() if word.endswith(name)}
    models = [model for model in found.values() if isinstance(model, type) and issubclass(model, BaseModel)]
    return max(models, key=lambda model: len(model.__name__), default=None)


def compare_models(schemas: Schemas) -> list[str]:
    """One line for each difference between the messages and the models, in both directions."""
    roots = tuple(PREFIX + name for name in ROOTS)
    return discovery.compare_models(schemas, roots, model_of, skipped=())


def compare_crd(schemas: Schemas, kind: JobKind, root: Schema) -> list[str]:
    """One line for each difference between the jobs and the block of a kind's CRD, in both directions."""
    places = PLACES[kind.name]
    problems = [
        f"{message}.{field}: the table of places has not got it"
        for message in sorted({message for message, _ in places if message})
        for field in schemas[PREFIX + message]["properties"]
        if (message, field) not in places
    ]
    for (message, field), path in places.items():
        whole = {"$ref": PREFIX + field}
        node = schemas[PREFIX + message]["properties"].get(field) if message else whole
        if node is None:
            problems.append(f"{message}.{field}: the document has not got it")
        else:
            problems += discovery.compare_place(schemas, node, root, path)
    known = {*places.values(), *OWN[kind.name]}
    block = root["properties"]["spec"]["properties"]["vertex"]["properties"]
    return [
        *problems,
        *(
            f"spec.vertex.{field}: nowhere in the document"
            for field in block
            if f"spec.vertex.{field}" not in known
        ),
    ]
