"""A real control plane (etcd, kube-apiserver) as child processes on loopback, for development and tests."""
