"""Deepgram's API in terms of sessions and jobs: what a request asks for, and texts and errors in its form; pure."""
