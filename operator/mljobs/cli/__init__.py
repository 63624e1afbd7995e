"""The commands: `mljobs` and the kubectl plugin `kubectl mljobs`."""
