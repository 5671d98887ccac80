"""`stt bench`: paced sessions against a running suite, measured for latency and accuracy.

manifest ─▶ player (one session) ─▶ screen (what a person saw, and when) ─▶ score ─▶ report
                  └─ run: many players at once, while the suite's processes are measured
"""
