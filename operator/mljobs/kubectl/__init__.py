"""`kubectl mljobs`: jobs of the managed service from the command line, through their resources."""
