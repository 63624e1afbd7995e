"""The parts of `mljobs leftovers`."""
