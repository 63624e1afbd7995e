"""Cases of the rules for `vertex.studySpec` and the numbers of trials."""

from tests.unit.domain.rule_case import Case, Spec, merged
from tests.unit.domain.vertex_case import (
    CATEGORIES,
    METRIC,
    NUMBERS,
    PARAMETER,
    SEARCH,
    WHOLE,
    block,
    conditional,
    study,
)


def metric(name: str, bad: list[Spec], good: list[Spec]) -> list[Case]:
    """Cases about one metric, which the patches are of."""
    bad, good = ([{"metrics": [merged(METRIC, patch)]} for patch in patches] for patches in (bad, good))
    return study(name, bad, good)


def below(parameter: Spec) -> Spec:
    """A parameter on the first level below another one."""
    return {
        **NUMBERS,
        "conditionalParameterSpecs": [conditional(parameter, parentDiscreteValues={"values": [16]})],
    }


def far_below(parameter: Spec) -> Spec:
    """The same on the second level."""
    inner = {
        **CATEGORIES,
        "conditionalParameterSpecs": [conditional(parameter, parentCategoricalValues={"values": ["gru"]})],
    }
    return below(inner)


def parameter(name: str, base: Spec, bad: list[Spec], good: list[Spec]) -> list[Case]:
    """Cases about a parameter, which the patches are of: on top and on both levels below."""
    bad, good = (
        [merged({**base, "parameterId": "own"}, patch) for patch in patches] for patches in (bad, good)
    )
    return [
        case
        for rule, places in ((name, [dict]), (f"conditional-{name}", [below, far_below]))
        for case in study(
            rule,
            [{"parameters": [place(one)]} for place in places for one in bad],
            [{"parameters": [place(one)]} for place in places for one in good],
        )
    ]


def under(name: str, parent: Spec, bad: list[Spec], good: list[Spec]) -> list[Case]:
    """Cases about what ties a conditional parameter to its parent."""

    def made(patch: Spec) -> Spec:
        child = merged({"parameterSpec": {**PARAMETER, "parameterId": "child"}}, patch)
        return {"parameters": [{**parent, "conditionalParameterSpecs": [child]}]}

    return study(name, [made(patch) for patch in bad], [made(patch) for patch in good])


def doubles(low: float | None, high: float | None) -> Spec:
    return {"doubleValueSpec": {"minValue": low, "maxValue": high}}


def integers(low: object, high: object) -> Spec:
    return {"integerValueSpec": {"minValue": low, "maxValue": high}}


LOG: Spec = {"scaleType": "UNIT_LOG_SCALE"}

PARAMETER_CASES = [
    *parameter(
        "parameter-id-required",
        PARAMETER,
        [{"parameterId": None}, {"parameterId": ""}],
        [{"parameterId": "x"}],
    ),
    *parameter(
        "parameter-id",
        PARAMETER,
        [{"parameterId": "a b"}, {"parameterId": "a\n"}],
        [{"parameterId": "a.b/é"}],
    ),
    *parameter(
        "parameter-kind",
        PARAMETER,
        [{"doubleValueSpec": None}, {"categoricalValueSpec": {"values": ["a"]}}, integers(1, 2)],
        [{}],
    ),
    *parameter("double-min-required", PARAMETER, [doubles(None, 1.0)], [doubles(0.0, 1.0)]),
    *parameter("double-max-required", PARAMETER, [doubles(-1.0, None)], [doubles(-1.0, 0.0)]),
    *parameter("integer-min-required", WHOLE, [integers(None, 1)], [integers(0, 1)]),
    *parameter("integer-max-required", WHOLE, [integers(1, None)], [integers(1, "1")]),
    *parameter("double-order", PARAMETER, [doubles(1.0, 0.5)], [doubles(1.0, 1.0), doubles(-2.0, -1.0)]),
    *parameter(
        "integer-order", WHOLE, [integers(10, "9"), integers("2", 1)], [integers("4", 4), integers(2, "10")]
    ),
    *parameter(
        "double-logarithmic",
        PARAMETER,
        [{**doubles(0.0, 1.0), **LOG}, {**doubles(-1.0, 1.0), "scaleType": "UNIT_REVERSE_LOG_SCALE"}],
        [{**doubles(0.1, 1.0), **LOG}, {**doubles(0.0, 1.0), "scaleType": "UNIT_LINEAR_SCALE"}],
    ),
    *parameter(
        "integer-logarithmic",
        WHOLE,
        [{**integers("0", 1), **LOG}],
        [{**integers("1", 1), **LOG}, {**integers(0, 1), "scaleType": "SCALE_TYPE_UNSPECIFIED"}],
    ),
    *parameter(
        "categorical-values-missing",
        CATEGORIES,
        [{"categoricalValueSpec": {"values": None}}, {"categoricalValueSpec": {"values": []}}],
        [{"categoricalValueSpec": {"values": [""]}}],
    ),
    *parameter(
        "discrete-values-missing",
        NUMBERS,
        [{"discreteValueSpec": {"values": []}}],
        [{"discreteValueSpec": {"values": [0]}}],
    ),
    *parameter("categorical-scale", CATEGORIES, [LOG], [{"scaleType": "SCALE_TYPE_UNSPECIFIED"}]),
    *parameter(
        "discrete-increasing",
        NUMBERS,
        [{"discreteValueSpec": {"values": [2, 1]}}, {"discreteValueSpec": {"values": [1, 3.5, 3]}}],
        [{"discreteValueSpec": {"values": [-2, -1, 0.5]}}],
    ),
    *parameter(
        "discrete-apart",
        NUMBERS,
        [{"discreteValueSpec": {"values": [1, 1]}}, {"discreteValueSpec": {"values": [0, 1e-11]}}],
        [{"discreteValueSpec": {"values": [0, 1e-10]}}, {"discreteValueSpec": {"values": [1, 1.0000000001]}}],
    ),
    *parameter(
        "default-value",
        PARAMETER,
        [{"doubleValueSpec": {"defaultValue": 0.5}}],
        [{}],
    ),
    *study(
        "parameter-id-unique",
        [{"parameters": [PARAMETER, {**WHOLE, "parameterId": "rate"}]}],
        [{"parameters": [PARAMETER, WHOLE, {**CATEGORIES, "parameterId": "Rate"}]}],
    ),
    *under(
        "conditional-parameter-required",
        NUMBERS,
        [{"parameterSpec": None, "parentDiscreteValues": {"values": [16]}}],
        [{"parentDiscreteValues": {"values": [16]}}],
    ),
    *under(
        "conditional-parent",
        NUMBERS,
        [
            {},
            {"parentIntValues": {"values": ["16"]}},
            {"parentDiscreteValues": {"values": [16]}, "parentCategoricalValues": {"values": ["a"]}},
        ],
        [{"parentDiscreteValues": {"values": [64, 16]}}],
    ),
    *under("conditional-parent", PARAMETER, [{"parentDiscreteValues": {"values": [0.5]}}], []),
    *under(
        "conditional-parent",
        WHOLE,
        [{"parentDiscreteValues": {"values": [1]}}],
        [{"parentIntValues": {"values": ["1", 9]}}],
    ),
    *under(
        "conditional-values-required",
        CATEGORIES,
        [{"parentCategoricalValues": {}}, {"parentCategoricalValues": {"values": []}}],
        [{"parentCategoricalValues": {"values": ["lstm"]}}],
    ),
    *under(
        "conditional-values",
        CATEGORIES,
        [{"parentCategoricalValues": {"values": ["lstm", "rnn"]}}],
        [{"parentCategoricalValues": {"values": ["gru"]}}],
    ),
    *under(
        "conditional-values",
        WHOLE,
        [{"parentIntValues": {"values": ["0"]}}, {"parentIntValues": {"values": [10]}}],
        [{"parentIntValues": {"values": ["9"]}}],
    ),
    *under(
        "conditional-values",
        NUMBERS,
        [{"parentDiscreteValues": {"values": [17]}}],
        [{"parentDiscreteValues": {"values": [32.5]}}],
    ),
]

METRIC_CASES = [
    *metric("metric-id-required", [{"metricId": None}], [{"metricId": "x"}]),
    *metric("metric-id", [{"metricId": "val loss"}], [{"metricId": "val/loss"}]),
    *study(
        "metric-id-unique",
        [{"metrics": [METRIC, {**METRIC, "goal": "MINIMIZE"}]}],
        [{"metrics": [METRIC, {**METRIC, "metricId": "loss"}]}],
    ),
    *metric("metric-goal", [{"goal": None}], [{"goal": "GOAL_TYPE_UNSPECIFIED"}]),
    *metric(
        "safe-fraction",
        [{"safetyConfig": {"desiredMinSafeTrialsFraction": value}} for value in (-0.1, 1.5)],
        [{"safetyConfig": {"desiredMinSafeTrialsFraction": value}} for value in (0.0, 1.0)],
    ),
]


def stopping(patch: Spec) -> Spec:
    return {"studyStoppingConfig": patch}


BOTH_LIMITS: Spec = {"endTime": "2030-01-01T00:00:00Z", "maxDuration": "60s"}

STUDY_CASES = [
    *study(
        "stopping-single",
        [
            {"medianAutomatedStoppingSpec": {}, "decayCurveStoppingSpec": {}},
            {"medianAutomatedStoppingSpec": {}, "convexAutomatedStoppingSpec": {"useElapsedDuration": True}},
        ],
        [{"convexAutomatedStoppingSpec": {"maxStepCount": "100"}}, {"medianAutomatedStoppingSpec": {}}],
    ),
    *(
        case
        for name, field in (("minimum", "minimumRuntimeConstraint"), ("maximum", "maximumRuntimeConstraint"))
        for case in study(
            f"{name}-runtime",
            [stopping({field: {}}), stopping({field: BOTH_LIMITS})],
            [
                stopping({field: {"maxDuration": "60s"}}),
                stopping({field: {"endTime": "2030-01-01T00:00:00Z"}}),
            ],
        )
    ),
    *(
        case
        for name, field in (
            ("min-trials", "minNumTrials"),
            ("max-trials", "maxNumTrials"),
            ("no-progress", "maxNumTrialsNoProgress"),
        )
        for case in study(f"stopping-{name}", [stopping({field: -1})], [stopping({field: 0})])
    ),
    *(
        case
        for name, field in (
            ("max-step-count", "maxStepCount"),
            ("min-step-count", "minStepCount"),
            ("min-measurement-count", "minMeasurementCount"),
        )
        for case in study(
            f"convex-{name}",
            [{"convexAutomatedStoppingSpec": {field: "-1"}}],
            [{"convexAutomatedStoppingSpec": {field: "0"}}, {"convexAutomatedStoppingSpec": {field: 5}}],
        )
    ),
    *study(
        "observation-noise",
        [{"observationNoise": "HIGH"}],
        [{"observationNoise": "OBSERVATION_NOISE_UNSPECIFIED"}],
    ),
    *block("vertex-max-trials", [{"maxTrialCount": 0}], [{"maxTrialCount": 1}], base=SEARCH),
    *block("vertex-parallel-trials", [{"parallelTrialCount": -1}], [{"parallelTrialCount": 1}], base=SEARCH),
    *block("vertex-failed-trials", [{"maxFailedTrialCount": -1}], [{"maxFailedTrialCount": 0}], base=SEARCH),
    *block(
        "vertex-trials-parallel",
        [{"maxTrialCount": 2, "parallelTrialCount": 3}],
        [{"maxTrialCount": 3, "parallelTrialCount": 3}, {"parallelTrialCount": 3}],
        base=SEARCH,
    ),
]

VERTEX_STUDY_CASES = [*METRIC_CASES, *PARAMETER_CASES, *STUDY_CASES]
"""All cases of this module."""
