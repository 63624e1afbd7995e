"""mljobs: TrainingJob and PredictionJob resources, run on Google's managed ML service."""

__version__ = "0.1.0"
