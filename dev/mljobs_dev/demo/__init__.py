"""`mljobs demo`: real manifests from apply to their ends."""
