"""What the services of Google have in common: sessions, credentials, answers, quotas."""
