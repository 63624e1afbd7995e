"""What Google's services share: sessions, credentials, answers, quotas."""
