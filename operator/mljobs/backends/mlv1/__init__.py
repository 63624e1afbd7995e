"""The `ml` v1 API (AI Platform Training and Prediction)."""
