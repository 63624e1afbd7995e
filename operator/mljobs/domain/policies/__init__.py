"""Rules that follow a job through its life, one file each: what to do next, by what has been seen so far."""
