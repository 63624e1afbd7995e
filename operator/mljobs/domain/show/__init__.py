"""What a resource shows: status, conditions, Events, outputs."""
