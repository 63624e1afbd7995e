"""One process of the operator: its start, its end, its health, metrics and logs."""
