"""Sessions, jobs and conversations in Redis: keys, scripts and readers."""
