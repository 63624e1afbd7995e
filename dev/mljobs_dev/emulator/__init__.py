"""An HTTP server that speaks the jobs API of ml v1, for development and tests."""
