"""Process utilities: settings, logs, metrics, clocks, tasks."""
