"""The text of a chunk of a file, as its client asked for it."""

import numpy as np
import pytest
from support.live_driver import heard

from stt_shared.contracts.jobs import Chunk, ChunkResult, JobConfig
from stt_shared.contracts.session import Fillers
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis
from stt_transcriber.files.transcription import transcribe

pytestmark = pytest.mark.unit
PCM = np.zeros(32_000, np.int16).tobytes()
CHUNK = Chunk("j", "e", 0, 16_000, 32_000)


async def result(config: JobConfig, **options: bool) -> tuple[ChunkResult, DecodeRequest]:
    asked: list[DecodeRequest] = []

    async def decode(request: DecodeRequest) -> Hypothesis:
        asked.append(request)
        return heard(("Um,", 0.2, 0.4), ("cooper", 0.5, 0.7), ("netties.", 0.7, 1.1))

    return await transcribe(CHUNK, PCM, config, decode, **options), asked[0]


async def test_replacements_and_fillers_apply_to_files() -> None:
    config = JobConfig("spool", replacements={"cooper netties": "Kubernetes"}, fillers=Fillers.REMOVE)
    found, _ = await result(config)
    (segment,) = found.segments
    assert (found.text, segment.text, [word.word for word in segment.words]) == ("Kubernetes.",) * 2 + (
        ["Kubernetes."],
    )
    assert (segment.start, segment.end) == (1.5, 2.1)
    assert (await result(JobConfig("spool")))[0].text == "Um, cooper netties."


async def test_redaction_applies_to_files() -> None:
    config = JobConfig("spool", redact_patterns=("cooper net.*",), replacements={"um": "oh"})
    found, _ = await result(config)
    (segment,) = found.segments
    assert (found.text, segment.text, [word.word for word in segment.words]) == ("oh, [redacted]",) * 2 + (
        ["oh,", "[redacted]"],
    )
    assert (segment.words[1].start, segment.words[1].end) == (1.5, 2.1)


async def test_keyterms_reach_the_engine_and_one_that_ignores_them_is_told_of() -> None:
    config = JobConfig("spool", keyterms=("Kubernetes",))
    found, request = await result(config)
    assert request.keyterms == ("Kubernetes",)
    assert found.warnings == []
    found, _ = await result(config, biased_by_keyterms=False)
    assert [warning.code for warning in found.warnings] == ["keyterms_ignored"]
