"""One job resource: what it is, what is known of it, and how its job is named."""
