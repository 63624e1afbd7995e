"""What a release brings besides the code: `python -m release.NAME` makes each part."""
