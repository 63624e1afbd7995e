"""Who callers are: the token services STS and IAM Credentials, and the check of the tokens that they give."""
