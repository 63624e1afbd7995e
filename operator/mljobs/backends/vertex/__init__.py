"""Vertex AI: the `aiplatform` v1 API."""
