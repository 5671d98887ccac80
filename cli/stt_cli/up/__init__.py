"""`stt up`: the suite's services as child processes on one machine."""
