"""`stt bench`: paced sessions over a running suite, and how soon and how well their words came.

manifest ─▶ player (one session) ─▶ screen (what a person saw, and when) ─▶ score ─▶ report
                  └─ run: many players at once, the suite's processes measured beside them
"""
