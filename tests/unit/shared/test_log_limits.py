"""No session can fill a log and then wait for what has no room in it."""

import pytest

from stt_audio.live.pipeline import MAX_FRAME_SAMPLES, MAX_SILENT_BYTES, MIN_FRAME_SAMPLES
from stt_gateway.live.backpressure import Backpressure
from stt_gateway.settings import GatewaySettings
from stt_shared.contracts.session import AUDIO_RATE_HZ, Encoding, SessionConfig
from stt_shared.streams.session_state import LOG_ENTRY_BYTES, MAX_PCM_LOG_SAMPLES
from stt_shared.streams.sessions import MAX_INGEST_LOG_BYTES

pytestmark = pytest.mark.unit

LONGEST_UTTERANCE_S, LONGEST_ENDPOINTING_S = 30, 5


def test_the_pcm_log_holds_two_utterances_in_its_shortest_frames() -> None:
    seconds = 2 * (LONGEST_UTTERANCE_S + LONGEST_ENDPOINTING_S)
    entries = seconds * AUDIO_RATE_HZ // MIN_FRAME_SAMPLES
    assert seconds * 32_000 + entries * LOG_ENTRY_BYTES + 2 * MAX_FRAME_SAMPLES < 2 * MAX_PCM_LOG_SAMPLES


def test_a_stream_without_audio_is_refused_before_its_log_is_full() -> None:
    longest_message = GatewaySettings.model_fields["max_message_bytes"].default
    assert 2 * MAX_SILENT_BYTES <= MAX_INGEST_LOG_BYTES
    assert longest_message < MAX_SILENT_BYTES


@pytest.mark.parametrize(
    ("config", "max_bytes"),
    [
        (SessionConfig(), 60 * 32_000),
        (SessionConfig(sample_rate=8000, encoding=Encoding.MULAW), 60 * 8000),
        (SessionConfig(sample_rate=384_000, encoding=Encoding.PCM_F32LE, channels=8), MAX_INGEST_LOG_BYTES),
        (SessionConfig(encoding=Encoding.OGG), MAX_INGEST_LOG_BYTES),
    ],
)
def test_the_ingest_log_holds_a_minute_of_bare_samples_or_8_mib(config: SessionConfig, max_bytes: int) -> None:
    assert Backpressure(config).max_bytes == max_bytes
