"""The part of a client's chunks that is in the log, to the byte, so that a later connection does not store it again."""

import random

import pytest

from stt_gateway.core.live.stored_chunks import StoredChunks
from stt_shared.contracts.frames import INGEST_START, IngestPosition

pytestmark = pytest.mark.unit


def test_a_chunk_is_held_when_its_last_byte_is() -> None:
    chunks = StoredChunks(INGEST_START)
    for seq in (1, 2, 3):
        assert chunks.add(seq, b"abcd") == b"abcd"
    assert chunks.position_after(4) == IngestPosition(1, 0, 4)
    assert chunks.position_after(7) == IngestPosition(1, 3, 7)
    chunks.stored(chunks.position_after(7))
    assert chunks.position_after(1) == IngestPosition(2, 0, 8)
    assert chunks.position_after(0) == IngestPosition(1, 3, 7)


def test_chunks_that_never_came_count_as_held_with_those_behind_them() -> None:
    chunks = StoredChunks(INGEST_START)
    chunks.add(1, b"ab")
    chunks.skip(4)
    chunks.add(5, b"cd")
    assert chunks.position_after(2) == IngestPosition(4, 0, 2)
    assert chunks.position_after(4) == IngestPosition(5, 0, 4)


def test_of_a_chunk_that_is_sent_again_only_the_rest_is_new() -> None:
    chunks = StoredChunks(IngestPosition(6, 3, 100))
    assert chunks.add(7, b"abcdef") == b"def"
    assert chunks.add(8, b"gh") == b"gh"
    assert chunks.position_after(3) == IngestPosition(7, 0, 103)
    assert chunks.position_after(5) == IngestPosition(8, 0, 105)


@pytest.mark.parametrize("seed", range(30))
def test_any_chunks_stored_in_any_pieces_over_any_connections_are_stored_once(seed: int) -> None:
    rng = random.Random(seed)
    audio = rng.randbytes(4000)
    cuts = sorted(rng.sample(range(1, len(audio)), 40))
    sent = [audio[a:b] for a, b in zip([0, *cuts], [*cuts, len(audio)], strict=True)]
    log, held = b"", INGEST_START
    while held.seq < len(sent):
        chunks = StoredChunks(held)
        waiting = b""
        for seq in range(held.seq + 1, len(sent) + 1):
            waiting += chunks.add(seq, sent[seq - 1])
            while waiting and rng.random() < 0.8:
                piece = waiting[: rng.randint(1, 200)]
                position = chunks.position_after(len(piece))
                chunks.stored(position)
                log, held, waiting = log + piece, position, waiting[len(piece) :]
            if rng.random() < 0.1:
                break  # the connection dies with what waits
    assert log == audio
    assert held == IngestPosition(len(sent), 0, len(audio))
