"""`StudySpec` and what it reaches: metrics, parameters, and what stops a search early.

The API's `ParameterSpec` contains itself. A schema of Kubernetes cannot, so there is a class for each level,
and two levels of conditional parameters.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mljobs.api.base import Double, Duration, Flag, Int32, Int64, Model, Timestamp, Word
from mljobs.api.inputs import Algorithm, GoalType

Category = Annotated[str, Field(max_length=128)]
"""A value of a CATEGORICAL parameter."""


class StudyScaleType(StrEnum):
    """The words of `ParameterSpec.scaleType`."""

    SCALE_TYPE_UNSPECIFIED = "SCALE_TYPE_UNSPECIFIED"
    UNIT_LINEAR_SCALE = "UNIT_LINEAR_SCALE"
    UNIT_LOG_SCALE = "UNIT_LOG_SCALE"
    UNIT_REVERSE_LOG_SCALE = "UNIT_REVERSE_LOG_SCALE"


class MeasurementSelectionType(StrEnum):
    """The words of `StudySpec.measurementSelectionType`."""

    MEASUREMENT_SELECTION_TYPE_UNSPECIFIED = "MEASUREMENT_SELECTION_TYPE_UNSPECIFIED"
    LAST_MEASUREMENT = "LAST_MEASUREMENT"
    BEST_MEASUREMENT = "BEST_MEASUREMENT"


class ObservationNoise(StrEnum):
    """The words of `StudySpec.observationNoise`."""

    OBSERVATION_NOISE_UNSPECIFIED = "OBSERVATION_NOISE_UNSPECIFIED"
    LOW = "LOW"
    HIGH = "HIGH"


class SafetyMetricConfig(Model):
    """Makes a metric one that must not get too bad."""

    safety_threshold: Double | None = None
    """The boundary between safe and unsafe. The service's default is 0."""

    desired_min_safe_trials_fraction: Double | None = None
    """The share of trials, 0 to 1, that should be safe at any time."""


class MetricSpec(Model):
    """A metric to optimise."""

    metric_id: Word | None = None
    """The name under which the program reports it: unique, without whitespace. Required."""

    goal: GoalType | None = None
    """Whether it is to become large or small. Required."""

    safety_config: SafetyMetricConfig | None = None
    """Makes it a safety metric, beside the one to optimise."""


class DoubleValueSpec(Model):
    """The range of a DOUBLE parameter."""

    min_value: Double | None = None
    """The smallest value. Required."""

    max_value: Double | None = None
    """The largest value. Required."""

    default_value: Double | None = None
    """A good value to begin with; has no effect in a tuning job."""


class IntegerValueSpec(Model):
    """The range of an INTEGER parameter."""

    min_value: Int64 | None = None
    """The smallest value. Required."""

    max_value: Int64 | None = None
    """The largest value. Required."""

    default_value: Int64 | None = None
    """A good value to begin with; has no effect in a tuning job."""


class CategoricalValueSpec(Model):
    """The values of a CATEGORICAL parameter."""

    values: Annotated[tuple[Category, ...] | None, Field(max_length=1000)] = None
    """The categories to choose from. Required."""

    default_value: Category | None = None
    """A good value to begin with; has no effect in a tuning job."""


class DiscreteValueSpec(Model):
    """The values of a DISCRETE parameter."""

    values: Annotated[tuple[Double, ...] | None, Field(max_length=1000)] = None
    """The numbers to choose from, increasing, at least 1e-10 apart, at most 1000. Required."""

    default_value: Double | None = None
    """A good value to begin with; has no effect in a tuning job."""


class IntValueCondition(Model):
    """Values of an INTEGER parameter."""

    values: Annotated[tuple[Int64, ...] | None, Field(max_length=32)] = None
    """The values, within the parameter's range. Required."""


class DiscreteValueCondition(Model):
    """Values of a DISCRETE parameter."""

    values: Annotated[tuple[Double, ...] | None, Field(max_length=32)] = None
    """The values, of those that the parameter may take. Required."""


class CategoricalValueCondition(Model):
    """Values of a CATEGORICAL parameter."""

    values: Annotated[tuple[Category, ...] | None, Field(max_length=32)] = None
    """The values, of those that the parameter may take. Required."""


class Conditional(Model):
    """When a conditional parameter is active: for these values of its parent."""

    parent_int_values: IntValueCondition | None = None
    """Values of a parent with integerValueSpec."""

    parent_discrete_values: DiscreteValueCondition | None = None
    """Values of a parent with discreteValueSpec."""

    parent_categorical_values: CategoricalValueCondition | None = None
    """Values of a parent with categoricalValueSpec."""


class LeafParameterSpec(Model):
    """A parameter below which there are no others."""

    parameter_id: Word | None = None
    """The parameter's name, without whitespace; the program gets it as a flag of that name. Required."""

    scale_type: StudyScaleType | None = None
    """How the range is scaled before values are drawn. Left out for a categorical parameter."""

    double_value_spec: DoubleValueSpec | None = None
    """Makes it a DOUBLE parameter. Exactly one of the four is required."""

    integer_value_spec: IntegerValueSpec | None = None
    """Makes it an INTEGER parameter. Exactly one of the four is required."""

    categorical_value_spec: CategoricalValueSpec | None = None
    """Makes it a CATEGORICAL parameter. Exactly one of the four is required."""

    discrete_value_spec: DiscreteValueSpec | None = None
    """Makes it a DISCRETE parameter. Exactly one of the four is required."""


class InnerConditionalParameterSpec(Conditional):
    """The API's `ConditionalParameterSpec` on the second level."""

    parameter_spec: LeafParameterSpec | None = None
    """The parameter. Required."""


class InnerParameterSpec(LeafParameterSpec):
    """A conditional parameter."""

    conditional_parameter_specs: Annotated[
        tuple[InnerConditionalParameterSpec, ...] | None, Field(max_length=10)
    ] = None
    """Parameters that exist only for some of this one's values."""


class ConditionalParameterSpec(Conditional):
    """A parameter that exists only for some values of its parent."""

    parameter_spec: InnerParameterSpec | None = None
    """The parameter. Required."""


class StudyParameterSpec(LeafParameterSpec):
    """The API's `ParameterSpec`: one parameter to tune, and the values that it may take."""

    conditional_parameter_specs: Annotated[
        tuple[ConditionalParameterSpec, ...] | None, Field(max_length=10)
    ] = None
    """Parameters that exist only for some of this one's values."""


class MedianAutomatedStoppingSpec(Model):
    """Stops a trial whose best value is below the median of the others."""

    use_elapsed_duration: Flag | None = None
    """Whether trials are compared by time, and not by step."""


class DecayCurveAutomatedStoppingSpec(Model):
    """Stops a trial that will hardly reach the best value, by its curve so far."""

    use_elapsed_duration: Flag | None = None
    """Whether the curve is over time, and not over steps."""


class ConvexAutomatedStoppingSpec(Model):
    """Stops a trial that cannot reach the best value, by an overestimate of its end."""

    max_step_count: Int64 | None = None
    """The step to predict for. Left out, it is learnt from trials that have ended."""

    min_step_count: Int64 | None = None
    """Trials without a measurement above this step go on."""

    min_measurement_count: Int64 | None = None
    """Trials with fewer measurements go on. The service's default is 5."""

    learning_rate_parameter_name: Word | None = None
    """The parameter that is the learning rate, if one is."""

    use_elapsed_duration: Flag | None = None
    """Whether steps are seconds."""

    update_all_stopped_trials: Flag | None = None
    """Whether trials that were stopped before get new final measurements."""


class StudyTimeConstraint(Model):
    """A limit of time."""

    end_time: Timestamp | None = None
    """A moment, in UTC. Either this or maxDuration."""

    max_duration: Duration | None = None
    """A time since the search began. Either this or endTime."""


class StudyStoppingConfig(Model):
    """What ends the whole search early."""

    should_stop_asap: Flag | None = None
    """Whether trials that run are stopped, too."""

    minimum_runtime_constraint: StudyTimeConstraint | None = None
    """Before this, nothing ends the search."""

    maximum_runtime_constraint: StudyTimeConstraint | None = None
    """After this, the search ends."""

    min_num_trials: Int32 | None = None
    """With fewer completed trials, nothing ends the search."""

    max_num_trials: Int32 | None = None
    """With more trials, the search ends."""

    max_num_trials_no_progress: Int32 | None = None
    """After so many trials without a better value, the search ends."""

    max_duration_no_progress: Duration | None = None
    """After so long without a better value, the search ends."""


class StudySpec(Model):
    """A search for the best parameters."""

    metrics: Annotated[tuple[MetricSpec, ...] | None, Field(max_length=8)] = None
    """What to optimise. Required, unless trainingInput.hyperparameters gives it."""

    parameters: Annotated[tuple[StudyParameterSpec, ...] | None, Field(max_length=100)] = None
    """What to tune. Required, unless trainingInput.hyperparameters gives it."""

    algorithm: Algorithm | None = None
    """How the next values are chosen. Left out, by Bayesian optimisation."""

    measurement_selection_type: MeasurementSelectionType | None = None
    """Whether a trial's last measurement counts (the service's default) or its best."""

    observation_noise: ObservationNoise | None = None
    """How noisy measurements are; has no effect in a tuning job."""

    median_automated_stopping_spec: MedianAutomatedStoppingSpec | None = None
    """Ends trials early by the median rule. At most one of the three."""

    decay_curve_stopping_spec: DecayCurveAutomatedStoppingSpec | None = None
    """Ends trials early by the decay curve rule. At most one of the three."""

    convex_automated_stopping_spec: ConvexAutomatedStoppingSpec | None = None
    """Ends trials early by the convex rule. At most one of the three."""

    study_stopping_config: StudyStoppingConfig | None = None
    """What ends the whole search early."""
