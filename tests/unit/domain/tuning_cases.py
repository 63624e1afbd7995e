"""Cases of the rules for hyperparameters."""

from collections.abc import Iterator

from tests.unit.domain.rule_case import CATEGORICAL, DISCRETE, DOUBLE, INTEGER, Case, parameter, tune


def _of_bound(field: str, other: str) -> Iterator[Case]:
    name = field.replace("Value", "-value")
    yield from parameter(f"{name}-required", DOUBLE, [{field: None}], [{}])
    yield from parameter(f"{name}-required", INTEGER, [{field: None}], [{"minValue": 0, "maxValue": 0}])
    yield from parameter(f"{name}-required", CATEGORICAL, [], [{}])
    low, high = (0.5, 9) if field == "minValue" else (1, 1.5)
    yield from parameter(
        f"{name}-whole",
        INTEGER,
        [{"minValue": low, "maxValue": high}, {field: 1e300 if field == "maxValue" else -1e300}],
        [{field: 4.0}, {"minValue": -(2**63), "maxValue": 2**53}, {"minValue": -(2**53), "maxValue": 2**62}],
    )
    yield from parameter(
        f"{name}-whole",
        INTEGER,
        [{"maxValue": 2**63} if field == "maxValue" else {field: -(2**63) - 2**11}],
        [],
    )
    sign = 1 if field == "maxValue" else -1
    for base in (INTEGER, DOUBLE):
        yield from parameter(
            f"{name}-exact",
            base,
            [{field: sign * (2**53 + 1)}],
            [{field: sign * (2**53 + 2)}, {field: sign * 2.0**53}],
        )
    scaled = {**DOUBLE, "scaleType": "UNIT_LOG_SCALE"}
    lows = [{"minValue": 0}, {"minValue": -1}] if field == "minValue" else []
    both = (
        [{"minValue": 0, "maxValue": 0, "scaleType": "UNIT_REVERSE_LOG_SCALE"}] if field == "maxValue" else []
    )
    yield from parameter(f"{name}-logarithmic", scaled, lows, [{}, {"minValue": 1e-9, "maxValue": 1e-9}])
    yield from parameter(f"{name}-logarithmic", scaled, both, [], also=("min-value-logarithmic",))
    yield from parameter(
        f"{name}-logarithmic", DOUBLE, [], [{"minValue": 0, "scaleType": "UNIT_LINEAR_SCALE"}]
    )
    yield from parameter(f"{name}-categorical", CATEGORICAL, [{field: 0}, {field: 1.5}], [{}])
    yield from parameter(f"{name}-discrete", DISCRETE, [{field: 0}], [{}])


TUNING_CASES = [
    *tune(
        "params-required",
        [{"params": []}, {"params": None}],
        [{}, {"params": [], "resumePreviousJobId": "a"}],
    ),
    *tune("max-trials", [{"maxTrials": -1}], [{"maxTrials": 0}, {"maxTrials": 1}]),
    *tune("max-parallel-trials", [{"maxParallelTrials": -1}], [{"maxParallelTrials": 0}]),
    *tune("max-failed-trials", [{"maxFailedTrials": -1}], [{"maxFailedTrials": 0}]),
    *tune(
        "resume-previous-job-id",
        [{"resumePreviousJobId": "a-b"}, {"resumePreviousJobId": "projects/p/jobs/a"}],
        [{"resumePreviousJobId": "census_1"}],
    ),
    *tune(
        "grid-search-double",
        [{"algorithm": "GRID_SEARCH"}, {"algorithm": "GRID_SEARCH", "params": [INTEGER, DOUBLE]}],
        [
            {"algorithm": "GRID_SEARCH", "params": [INTEGER, CATEGORICAL, DISCRETE]},
            {"algorithm": "RANDOM_SEARCH"},
            {"algorithm": "ALGORITHM_UNSPECIFIED"},
        ],
    ),
    *tune(
        "parameter-name-unique",
        [{"params": [DOUBLE, INTEGER, DOUBLE]}],
        [{"params": [DOUBLE, {**DOUBLE, "parameterName": "Rate"}, INTEGER]}],
    ),
    *parameter(
        "parameter-name-required",
        DOUBLE,
        [{"parameterName": None}, {"parameterName": ""}],
        [{"parameterName": "first-layer-size"}],
    ),
    *parameter(
        "parameter-type-required",
        DOUBLE,
        [{"type": None}, {"type": "PARAMETER_TYPE_UNSPECIFIED"}],
        [{}],
    ),
    *_of_bound("minValue", "maxValue"),
    *_of_bound("maxValue", "minValue"),
    *parameter(
        "bounds-order",
        DOUBLE,
        [{"minValue": 3}, {"maxValue": 0.4999}],
        [{"minValue": 2.5}, {"minValue": 0, "maxValue": 0}, {"minValue": -2, "maxValue": -1}],
    ),
    *parameter(
        "categorical-values-required",
        CATEGORICAL,
        [{"categoricalValues": None}, {"categoricalValues": []}],
        [{"categoricalValues": ["one"]}],
    ),
    *parameter(
        "categorical-values-unused", DOUBLE, [{"categoricalValues": ["a"]}], [{"categoricalValues": []}]
    ),
    *parameter(
        "scale-type-categorical",
        CATEGORICAL,
        [{"scaleType": "UNIT_LINEAR_SCALE"}],
        [{"scaleType": "NONE"}],
    ),
    *parameter("scale-type-discrete", DISCRETE, [{"scaleType": "UNIT_LOG_SCALE"}], [{"scaleType": "NONE"}]),
    *parameter(
        "discrete-values-required",
        DISCRETE,
        [{"discreteValues": None}, {"discreteValues": []}],
        [{"discreteValues": [0]}],
    ),
    *parameter("discrete-values-unused", DOUBLE, [{"discreteValues": [1]}], [{"discreteValues": []}]),
    *parameter(
        "discrete-values-order",
        DISCRETE,
        [{"discreteValues": [2, 1]}, {"discreteValues": [1, 2, 1.5]}],
        [{"discreteValues": [-1.5, 0, 1]}],
    ),
    *parameter(
        "discrete-values-distinct", DISCRETE, [{"discreteValues": [1, 1.0]}], [{"discreteValues": [1, 1.5]}]
    ),
    *parameter(
        "discrete-values-exact",
        DISCRETE,
        [{"discreteValues": [1, 2**53 + 1]}],
        [{"discreteValues": [-(2**53) - 2, 0.1, 2**53, 2**60]}],
    ),
    *parameter(
        "discrete-values-count",
        DISCRETE,
        [{"discreteValues": list(range(1001))}],
        [{"discreteValues": list(range(1000))}],
    ),
    *tune(
        "trials-parallel",
        [{"maxTrials": 2, "maxParallelTrials": 3}],
        [{"maxTrials": 2, "maxParallelTrials": 2}, {"maxParallelTrials": 3}],
    ),
]
