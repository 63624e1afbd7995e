"""The checks of `mljobs check`, one module for each part of the operator's environment."""
