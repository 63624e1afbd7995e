"""What Vertex AI refuses in the study of a tuning job (discovery document, `StudySpec` and below)."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mljobs_dev.emulator.errors import Violation

Input = Mapping[str, Any]

VALUE_SPECS = {
    "doubleValueSpec": "double_value_spec",
    "integerValueSpec": "integer_value_spec",
    "categoricalValueSpec": "categorical_value_spec",
    "discreteValueSpec": "discrete_value_spec",
}
"""The fields of which a parameter has exactly one, and how paths spell them."""

CONDITIONS = {
    "parentDiscreteValues": "discreteValueSpec",
    "parentIntValues": "integerValueSpec",
    "parentCategoricalValues": "categoricalValueSpec",
}
"""The parent of a conditional parameter by the condition."""

NEAREST = 1e-10
"""The least distance of two discrete values."""


def check_study(study: Input, path: str) -> Iterator[Violation]:
    """Check a StudySpec whose paths begin with a text."""
    yield from _ids([metric["metricId"] for metric in study["metrics"]], f"{path}metrics", "metric_id")
    parameters = study["parameters"]
    yield from _ids([item["parameterId"] for item in parameters], f"{path}parameters", "parameter_id")
    for index, parameter in enumerate(parameters):
        yield from _parameter(parameter, f"{path}parameters[{index}]", study.get("algorithm", ""))
    if study.get("observationNoise", "OBSERVATION_NOISE_UNSPECIFIED") != "OBSERVATION_NOISE_UNSPECIFIED":
        text = "It is not supported by HyperparameterTuningJob."
        yield Violation(f"{path}observation_noise", text)


def _ids(ids: Sequence[str], path: str, name: str) -> Iterator[Violation]:
    for index, one in enumerate(ids):
        if re.search(r"\s", one):
            yield Violation(f"{path}[{index}].{name}", f"The id `{one}` should have no whitespace.")
        if one in ids[:index]:
            yield Violation(f"{path}[{index}].{name}", f"The id `{one}` should be unique.")


def _parameter(parameter: Input, path: str, algorithm: str) -> Iterator[Violation]:
    name = next((name for name in VALUE_SPECS if name in parameter), "")
    if not name:
        yield Violation(f"{path}.parameter_value_spec", "A value spec should be specified.")
        return
    spec, where = parameter[name], f"{path}.{VALUE_SPECS[name]}"
    if "defaultValue" in spec:
        text = "It is not supported by HyperparameterTuningJob."
        yield Violation(f"{where}.default_value", text)
    if name in ("doubleValueSpec", "integerValueSpec"):
        yield from _bounds(spec, where, parameter.get("scaleType", ""))
    if name == "doubleValueSpec" and algorithm == "GRID_SEARCH":
        yield Violation(where, "GRID_SEARCH does not support parameters with double values.")
    if name == "discreteValueSpec":
        yield from _discrete(spec["values"], f"{where}.values")
    unscaled = parameter.get("scaleType", "SCALE_TYPE_UNSPECIFIED") == "SCALE_TYPE_UNSPECIFIED"
    if name == "categoricalValueSpec" and not unscaled:
        yield Violation(f"{path}.scale_type", "It should not be specified for categorical values.")
    yield from _conditional(parameter, name, path, algorithm)


def _bounds(spec: Input, path: str, scale: str) -> Iterator[Violation]:
    """A bound that is absent is zero: proto3 does not tell the two apart."""
    low, high = float(spec.get("minValue", 0)), float(spec.get("maxValue", 0))
    if not low <= high:
        text = f"The minimum {low:g} should not be above the maximum {high:g}."
        yield Violation(f"{path}.min_value", text)
    if "LOG" in scale and not low > 0:
        yield Violation(f"{path}.min_value", f"It should be above 0 for scale_type {scale}.")


def _discrete(values: Sequence[float], path: str) -> Iterator[Violation]:
    if len(values) > 1000:
        yield Violation(path, f"At most 1000 values are allowed, and there are {len(values)}.")
    if any(float(high) - float(low) < NEAREST for low, high in itertools.pairwise(values)):
        yield Violation(path, f"The values should increase, by {NEAREST:g} at least.")


def _conditional(parameter: Input, parent: str, path: str, algorithm: str) -> Iterator[Violation]:
    for index, conditional in enumerate(parameter.get("conditionalParameterSpecs", ())):
        where = f"{path}.conditional_parameter_specs[{index}]"
        condition = next((name for name in CONDITIONS if name in conditional), "")
        if CONDITIONS.get(condition) != parent:
            text = "The condition should be of the kind of the parent's values."
            yield Violation(f"{where}.parent_value_condition", text)
        yield from _parameter(conditional["parameterSpec"], f"{where}.parameter_spec", algorithm)
