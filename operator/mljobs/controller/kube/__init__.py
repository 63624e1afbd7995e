"""The Kubernetes API: calls, the watch, the Lease, rights."""
