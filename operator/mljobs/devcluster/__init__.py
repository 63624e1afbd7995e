"""A real control plane (etcd and kube-apiserver) as child processes on loopback, for development and tests."""
