"""What `mljobs check` looks at, one module for each part of the operator's surroundings."""
