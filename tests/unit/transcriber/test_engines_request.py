"""Limits, prompts and loops of a decode request."""

import numpy as np
import pytest

from stt_transcriber.core.decoding import DecodeRequest, EarlierSpeech
from stt_transcriber.engines.base import EngineError
from stt_transcriber.engines.request import (
    check_request,
    context_tokens,
    is_suspect,
    loop_limit,
    repeats_itself,
    token_limit,
)

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("tokens_per_s", [4, 10, 15.5, 23])
@pytest.mark.parametrize("seconds", [1, 5, 17])
def test_speech_in_any_script_stays_below_the_token_limit(tokens_per_s: float, seconds: int) -> None:
    """English at an ordinary pace, Greek, Hindi, and Hindi at one and a half times that."""
    assert tokens_per_s * seconds < token_limit(seconds * 16000, 444)


def test_a_token_for_each_byte_of_a_script_stays_below_too() -> None:
    assert token_limit(10 * 16000, 444) > 37 * 10


@pytest.mark.parametrize("tokens_per_s", [10, 15.5])
def test_a_whole_chunk_of_a_dense_script_fits_beside_no_prompt(tokens_per_s: float) -> None:
    assert tokens_per_s * 28 < token_limit(28 * 16000, 444)


def test_a_phrase_that_comes_again_and_again_is_told_from_speech() -> None:
    said = [(7 * i * i + i) % 101 for i in range(60)]
    assert not repeats_itself(said)
    assert not repeats_itself(said + said[:20] * 2), "said three times"
    assert repeats_itself([*said, *said[:12] * 10])
    assert repeats_itself([5] * 12)
    assert not repeats_itself([])


def test_a_loop_ends_where_ordinary_english_would() -> None:
    assert loop_limit(28 * 16000) == 206
    assert loop_limit(5 * 16000) == 45


def test_earlier_speech_counts_as_audio_of_the_request() -> None:
    samples, earlier = np.zeros(26 * 16000, np.float32), np.zeros(4 * 16000, np.float32)
    check_request(DecodeRequest(samples, "en", earlier=EarlierSpeech(earlier, "so", "en")), ("en",))
    longer = EarlierSpeech(np.pad(earlier, (0, 8000)), "so", "en")
    with pytest.raises(EngineError, match=r"30\.5 s of audio in one request: at most 30"):
        check_request(DecodeRequest(samples, "en", earlier=longer), ("en",))


class Letters:
    """A tokenizer with a token for each character."""

    sot_prev = 1000

    def encode(self, text: str) -> list[int]:
        return [ord(char) for char in text]


def test_a_prompt_leaves_half_of_the_decoder_to_the_text() -> None:
    assert context_tokens(Letters(), " ") == []
    assert context_tokens(Letters(), "ab") == [1000, ord(" "), ord("a"), ord("b")]
    longest = context_tokens(Letters(), "a" * 500 + "b")
    assert (len(longest), longest[0], longest[-1]) == (224, 1000, ord("b"))
    assert token_limit(28 * 16000, 448 - len(longest) - 4) == 220


@pytest.mark.parametrize(
    ("truncated", "ratio", "logprob", "suspect"),
    [(False, 1.2, -0.3, False), (True, 1.2, -0.3, True), (False, 2.5, -0.3, True), (False, 1.2, -1.1, True)],
)
def test_what_is_decoded_again(truncated: bool, ratio: float, logprob: float, suspect: bool) -> None:
    assert is_suspect(truncated=truncated, compression_ratio=ratio, avg_logprob=logprob) is suspect
