"""One job resource: its content, what is observed of its job, and how that job is named."""
