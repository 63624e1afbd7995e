"""What is measured: `python -m bench` runs all of it, `python -m bench.NAME` one part."""
