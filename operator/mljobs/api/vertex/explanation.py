"""`ExplanationSpec` and what it reaches: how predictions are explained."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mljobs.api.base import AnyJson, Float, Int32, Model, Uri, Word

Tensor = Word
"""The name of a tensor or a feature."""

Values = Annotated[tuple[AnyJson, ...], Field(max_length=128)]
"""Values of any form."""


class Encoding(StrEnum):
    """The words of `InputMetadata.encoding`."""

    ENCODING_UNSPECIFIED = "ENCODING_UNSPECIFIED"
    IDENTITY = "IDENTITY"
    BAG_OF_FEATURES = "BAG_OF_FEATURES"
    BAG_OF_FEATURES_SPARSE = "BAG_OF_FEATURES_SPARSE"
    INDICATOR = "INDICATOR"
    COMBINED_EMBEDDING = "COMBINED_EMBEDDING"
    CONCAT_EMBEDDING = "CONCAT_EMBEDDING"


class ColorMap(StrEnum):
    """The words of `Visualization.colorMap`."""

    COLOR_MAP_UNSPECIFIED = "COLOR_MAP_UNSPECIFIED"
    PINK_GREEN = "PINK_GREEN"
    VIRIDIS = "VIRIDIS"
    RED = "RED"
    GREEN = "GREEN"
    RED_GREEN = "RED_GREEN"
    PINK_WHITE_GREEN = "PINK_WHITE_GREEN"


class OverlayType(StrEnum):
    """The words of `Visualization.overlayType`."""

    OVERLAY_TYPE_UNSPECIFIED = "OVERLAY_TYPE_UNSPECIFIED"
    NONE = "NONE"
    ORIGINAL = "ORIGINAL"
    GRAYSCALE = "GRAYSCALE"
    MASK_BLACK = "MASK_BLACK"


class Polarity(StrEnum):
    """The words of `Visualization.polarity`."""

    POLARITY_UNSPECIFIED = "POLARITY_UNSPECIFIED"
    POSITIVE = "POSITIVE"
    NEGATIVE = "NEGATIVE"
    BOTH = "BOTH"


class VisualizationType(StrEnum):
    """The words of `Visualization.type`."""

    TYPE_UNSPECIFIED = "TYPE_UNSPECIFIED"
    PIXELS = "PIXELS"
    OUTLINES = "OUTLINES"


class ExampleFormat(StrEnum):
    """The words of `ExampleGcsSource.dataFormat`."""

    DATA_FORMAT_UNSPECIFIED = "DATA_FORMAT_UNSPECIFIED"
    JSONL = "JSONL"


class PresetModality(StrEnum):
    """The words of `Presets.modality`."""

    MODALITY_UNSPECIFIED = "MODALITY_UNSPECIFIED"
    IMAGE = "IMAGE"
    TEXT = "TEXT"
    TABULAR = "TABULAR"


class PresetQuery(StrEnum):
    """The words of `Presets.query`."""

    PRECISE = "PRECISE"
    FAST = "FAST"


class GcsSource(Model):
    """Files in Cloud Storage that are read."""

    uris: Annotated[tuple[Uri, ...] | None, Field(max_length=1024)] = None
    """Paths of the files, with wildcards where wanted. Required."""


class FeatureValueDomain(Model):
    """The range of a feature's values, and how they were normalised."""

    min_value: Float | None = None
    """The smallest value."""

    max_value: Float | None = None
    """The largest value."""

    original_mean: Float | None = None
    """The mean before it was normalised to 0."""

    original_stddev: Float | None = None
    """The standard deviation before it was normalised to 1."""


class Visualization(Model):
    """How the explanation of an image is drawn."""

    type: VisualizationType | None = None
    """OUTLINES of regions (the service's default) or PIXELS; with integrated gradients only."""

    polarity: Polarity | None = None
    """Which contributions are drawn. The service's default is POSITIVE."""

    color_map: ColorMap | None = None
    """The colours."""

    clip_percent_upperbound: Float | None = None
    """Leaves out what is above this percentile. The service's default is 99.9."""

    clip_percent_lowerbound: Float | None = None
    """Leaves out what is below this percentile. The service's default is 62."""

    overlay_type: OverlayType | None = None
    """What it is drawn over. The service's default is NONE."""


class InputMetadata(Model):
    """A feature that goes into the model."""

    input_baselines: Values | None = None
    """Values to compare with. Left out, the service chooses one."""

    input_tensor_name: Tensor | None = None
    """The input tensor; for Google's TensorFlow images only."""

    encoding: Encoding | None = None
    """How the feature is encoded. The service's default is IDENTITY."""

    modality: Word | None = None
    """`numeric` (the service's default) or `image`."""

    feature_value_domain: FeatureValueDomain | None = None
    """The range of the values."""

    indices_tensor_name: Tensor | None = None
    """The tensor of indices of a sparse input."""

    dense_shape_tensor_name: Tensor | None = None
    """The tensor of shapes of a sparse input."""

    index_feature_mapping: Annotated[tuple[Tensor, ...] | None, Field(max_length=1024)] = None
    """The features' names by index, for the encodings that mix several."""

    encoded_tensor_name: Tensor | None = None
    """The tensor after the encoding."""

    encoded_baselines: Values | None = None
    """Encoded values to compare with."""

    visualization: Visualization | None = None
    """How the explanation of an image is drawn."""

    group_name: Tensor | None = None
    """Features of one group count as one."""


class OutputMetadata(Model):
    """What the model gives, and is to be explained."""

    index_display_name_mapping: AnyJson | None = None
    """Names of the outputs by index."""

    display_name_mapping_key: Tensor | None = None
    """The field of a prediction that has the outputs' names."""

    output_tensor_name: Tensor | None = None
    """The output tensor; for Google's TensorFlow images only."""


class ExplanationMetadata(Model):
    """What goes into the model and comes out of it."""

    inputs: Annotated[dict[str, InputMetadata] | None, Field(max_length=64)] = None
    """The features by name."""

    outputs: Annotated[dict[str, OutputMetadata] | None, Field(max_length=4)] = None
    """The outputs by name; the service takes one."""

    feature_attributions_schema_uri: Uri | None = None
    """A file in Cloud Storage that describes the attributions."""

    latent_space_source: Tensor | None = None
    """The source of embeddings, for explanations by example."""


class SampledShapleyAttribution(Model):
    """Attributes by sampled Shapley values."""

    path_count: Int32 | None = None
    """How many permutations to sample, 1 to 50. Required."""


class NoiseSigmaForFeature(Model):
    """The noise of one feature."""

    name: Tensor | None = None
    """The feature's name."""

    sigma: Float | None = None
    """The standard deviation. The service's default is 0.1."""


class FeatureNoiseSigma(Model):
    """The noise of each feature."""

    noise_sigma: Annotated[tuple[NoiseSigmaForFeature, ...] | None, Field(max_length=64)] = None
    """One entry a feature."""


class SmoothGradConfig(Model):
    """Averages gradients of noisy samples."""

    noise_sigma: Float | None = None
    """The noise of all features. Either this or featureNoiseSigma."""

    feature_noise_sigma: FeatureNoiseSigma | None = None
    """The noise of each feature. Either this or noiseSigma."""

    noisy_sample_count: Int32 | None = None
    """How many samples, 1 to 50. The service's default is 3."""


class BlurBaselineConfig(Model):
    """Compares with a blurred image."""

    max_blur_sigma: Float | None = None
    """The standard deviation of the blur. Left out, it is compared with black."""


class IntegratedGradientsAttribution(Model):
    """Attributes by integrated gradients."""

    step_count: Int32 | None = None
    """How many steps, 1 to 100. Required."""

    smooth_grad_config: SmoothGradConfig | None = None
    """Averages gradients of noisy samples."""

    blur_baseline_config: BlurBaselineConfig | None = None
    """Compares with a blurred image."""


class XraiAttribution(Model):
    """Attributes regions of an image."""

    step_count: Int32 | None = None
    """How many steps, 1 to 100. Required."""

    smooth_grad_config: SmoothGradConfig | None = None
    """Averages gradients of noisy samples."""

    blur_baseline_config: BlurBaselineConfig | None = None
    """Compares with a blurred image."""


class ExampleGcsSource(Model):
    """Files with instances."""

    data_format: ExampleFormat | None = None
    """The files' format."""

    gcs_source: GcsSource | None = None
    """The files."""


class Presets(Model):
    """Ready-made settings for explanations by example."""

    modality: PresetModality | None = None
    """What the model is about."""

    query: PresetQuery | None = None
    """Whether to be precise (the service's default) or fast."""


class Examples(Model):
    """Explains by the nearest examples."""

    example_gcs_source: ExampleGcsSource | None = None
    """The examples."""

    neighbor_count: Int32 | None = None
    """How many neighbours to give."""

    presets: Presets | None = None
    """Ready-made settings. Either these or nearestNeighborSearchConfig."""

    nearest_neighbor_search_config: AnyJson | None = None
    """The index's settings. Either these or presets."""


class ExplanationParameters(Model):
    """The method of explanation."""

    sampled_shapley_attribution: SampledShapleyAttribution | None = None
    """By sampled Shapley values. At most one of the four."""

    integrated_gradients_attribution: IntegratedGradientsAttribution | None = None
    """By integrated gradients. At most one of the four."""

    xrai_attribution: XraiAttribution | None = None
    """By regions of an image. At most one of the four."""

    examples: Examples | None = None
    """By the nearest examples. At most one of the four."""

    top_k: Int32 | None = None
    """How many outputs to explain, the largest first; -1 for all. The service's default is 1."""

    output_indices: Values | None = None
    """Which outputs to explain."""


class ExplanationSpec(Model):
    """How predictions are explained; what is left out is the model's own."""

    parameters: ExplanationParameters | None = None
    """The method."""

    metadata: ExplanationMetadata | None = None
    """What goes in and comes out."""
