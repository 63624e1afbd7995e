"""Jobs of `aiplatform` v1 (Vertex AI): custom, hyperparameter tuning and batch prediction jobs."""
