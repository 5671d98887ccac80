"""Transcripts in the real store."""

import time
import uuid
from pathlib import Path
from typing import Any

import httpx2
from support.launched_suite import Suite


def stored(suite: Suite, recording: Path) -> dict[str, Any]:
    """A transcript in which the first sentences are given to one speaker and the others to another."""
    with httpx2.Client(base_url=suite.url, timeout=30, trust_env=False) as http:
        # A repeated upload is answered with the transcript that others have edited.
        unique = recording.read_bytes() + uuid.uuid4().bytes
        job = http.post("/v1/stt/jobs", files={"file": ("talk.wav", unique)}).json()
        at = f"/v1/stt/transcripts/{job['job_id']}"
        until_s = time.monotonic() + 60
        while (answer := http.get(at)).status_code != 200:
            assert time.monotonic() < until_s, http.get(f"/v1/stt/jobs/{job['job_id']}").text
            time.sleep(0.2)
        segments = answer.json()["segments"]
        assert len(segments) > 3
        given = [
            {"start": one["start"], "end": one["end"], "speaker": "Speaker 1" if at < 2 else "Speaker 2"}
            for at, one in enumerate(segments)
        ]
        assert http.patch(at, json={"assign": given}).status_code == 200
        whole: dict[str, Any] = http.get(at).json()
        return whole
