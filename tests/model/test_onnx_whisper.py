"""The suite's own engine against the two that others wrote, on the same weights and real speech."""

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from support.hypothesis_checks import assert_times_sound, hear, word_error_rate
from support.recordings import read_audio

from stt_shared.contracts.session import Task
from stt_transcriber.core.decoding import DecodeRequest, Memory, Quality
from stt_transcriber.engines.base import EngineError
from stt_transcriber.engines.ctranslate2.engine import FasterWhisperEngine
from stt_transcriber.engines.onnx.engine import RECIPES, OnnxWhisperEngine
from stt_transcriber.engines.registry import load_engine
from stt_transcriber.engines.window import POSITION_SAMPLES

pytestmark = pytest.mark.model
Audio = NDArray[np.float32]
Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def english(corpus: list[dict[str, Any]]) -> list[tuple[Audio, str]]:
    """Clips of 4…12 s and what is said in them."""
    rows = [row for row in corpus if row["lang"] == "en" and row["kind"] == "utterance" and row["text"]]
    rows = [row for row in rows if 4 < row["duration_s"] < 12][:6]
    if not rows:
        pytest.skip("the corpus has no English")
    return [(read_audio(row["file"]), row["text"]) for row in rows]


def task_tokens(engine: OnnxWhisperEngine) -> list[int]:
    tokenizer = engine._tokenizer("en", "transcribe")
    return [*tokenizer.sot_sequence, tokenizer.no_timestamps]


def text_tokens(engine: OnnxWhisperEngine, text: str) -> list[int]:
    tokens: list[int] = engine._tokenizer("en", "transcribe").encode(" " + text)
    return tokens


def logprobs_along(engine: OnnxWhisperEngine, samples: Audio, text: Sequence[int]) -> Floats:
    """float32 [tokens + 1, words of the vocabulary]: what may follow each beginning of the text, padded to 30 s."""
    start = task_tokens(engine)
    fed = np.array([[*start, *text]])
    width = fed.shape[1]
    encoding = engine._whisper.encode(samples, 30.0, 0)
    states, _ = engine._whisper.batch([encoding]).run(fed, np.arange(width)[None], np.tri(width, dtype=np.bool_)[None])
    count = engine._rules.end + 1
    tokens, falling, _ = engine._whisper.choose(states[0, len(start) - 1 :], count)
    logprobs = np.empty_like(falling)
    np.put_along_axis(logprobs, tokens, falling, axis=1)
    return logprobs


def log_softmax(scores: Floats) -> Floats:
    highest = scores.max(axis=-1, keepdims=True)
    logprobs: Floats = scores - highest - np.log(np.exp(scores - highest).sum(axis=-1, keepdims=True))
    return logprobs


def assert_alike(own: list[Floats], theirs: list[Floats], texts: list[list[int]], *, equal: float, off: float) -> None:
    """The most probable next token is the same, and the text's own tokens are as probable."""
    same = np.concatenate([a.argmax(axis=1) == b.argmax(axis=1) for a, b in zip(own, theirs, strict=True)])
    distances = [
        abs(a[i, token] - b[i, token])
        for a, b, text in zip(own, theirs, texts, strict=True)
        for i, token in enumerate(text)
    ]
    print(f"{same.mean():.4f} of {len(same)} equal; {np.mean(distances):.4f} apart, median {np.median(distances):.4f}")
    assert len(same) > 60
    assert same.mean() >= equal
    assert np.mean(distances) < off


def test_next_tokens_are_those_of_the_original_in_float32(
    onnx_tiny: OnnxWhisperEngine, openai_tiny: Any, english: list[tuple[Audio, str]], models_dir: Path
) -> None:
    torch, whisper = pytest.importorskip("torch"), pytest.importorskip("whisper")
    model = openai_tiny._whisper
    start = task_tokens(onnx_tiny)
    never = json.loads((models_dir / "tiny.en" / "config.json").read_text())["suppress_ids"]
    own, theirs, texts = [], [], []
    for samples, said in english:
        text = text_tokens(onnx_tiny, said)
        with torch.inference_mode():
            encoding = model.encoder(whisper.log_mel_spectrogram(whisper.pad_or_trim(samples))[None])
            scores = model.decoder(torch.tensor([[*start, *text]]), encoding)[0, len(start) - 1 :].numpy()
        scores = scores[:, : onnx_tiny._rules.end + 1].copy()
        scores[:, [token for token in never if token < scores.shape[1]]] = -1e9
        own.append(logprobs_along(onnx_tiny, samples, text))
        theirs.append(log_softmax(scores))
        texts.append(text)
    assert_alike(own, theirs, texts, equal=0.97, off=0.1)


def test_what_comes_of_a_piece_of_a_file_does_not_hang_on_those_beside_it(
    onnx_tiny: OnnxWhisperEngine, english: list[tuple[Audio, str]]
) -> None:
    """Not by one bit: else the text of a file would differ from run to run."""
    speech = np.concatenate([samples for samples, _ in english])
    lengths = (24.0, 3.1, 9.7, 0.6, 17.3)
    pieces = [
        DecodeRequest(speech[16_000 * i : 16_000 * i + int(16_000 * length)], "en", quality=Quality.FILE)
        for i, length in enumerate(lengths)
    ]
    prompted = replace(pieces[2], prompt="Vocabulary, names.")
    pieces.append(prompted)
    alone = [hear(onnx_tiny, piece) for piece in pieces]
    assert all(hypothesis.text for hypothesis in alone[:3])
    for run_together in ((0, 1, 2), (2, 0), (3, 4, 1, 0), (4, 4, 2), (5, 0, 2), (1, 3)):
        heard = onnx_tiny.decode_files([pieces[i] for i in run_together], lambda: None)
        assert heard == [alone[i] for i in run_together]


def test_pieces_of_files_say_what_finals_say(onnx_base: OnnxWhisperEngine, english: list[tuple[Audio, str]]) -> None:
    pieces = [DecodeRequest(samples, "en", quality=Quality.FILE) for samples, _ in english]
    found = [
        hypothesis for at in range(0, len(pieces), 4) for hypothesis in onnx_base.decode_files(pieces[at : at + 4], go)
    ]
    finals = [hear(onnx_base, replace(piece, quality=Quality.FULL)) for piece in pieces]
    said = " ".join(text for _, text in english)
    of_files, of_finals = (
        word_error_rate(said, " ".join(hypothesis.text for hypothesis in heard)) for heard in (found, finals)
    )
    print(f"word error rates {of_files:.4f} {of_finals:.4f}")
    assert of_files <= of_finals + 0.02
    for one, other, piece in zip(found, finals, pieces, strict=True):
        assert_times_sound(one, len(piece.samples) / 16_000)
        if one.text == other.text:
            assert one.avg_logprob == pytest.approx(other.avg_logprob, abs=0.1)


def go() -> None:
    """Nobody is in a hurry."""


def test_only_pieces_of_files_are_decoded_as_such(onnx_tiny: OnnxWhisperEngine) -> None:
    piece = DecodeRequest(np.zeros(16_000, np.float32), "en", quality=Quality.FILE)
    with pytest.raises(EngineError, match="by decode_files"):
        onnx_tiny.decode([piece, piece])
    with pytest.raises(EngineError, match="only chunks"):
        onnx_tiny.decode_files([replace(piece, quality=Quality.FULL)], go)


@pytest.mark.parametrize(("engine", "other"), [("onnx_tiny", "tiny"), ("onnx_base", "base")])
def test_next_tokens_are_those_of_ctranslate2(
    request: pytest.FixtureRequest, english: list[tuple[Audio, str]], engine: str, other: str
) -> None:
    onnx: OnnxWhisperEngine = request.getfixturevalue(engine)
    reference: FasterWhisperEngine = request.getfixturevalue(other)
    own, theirs, texts = [], [], []
    for samples, _ in english:
        encoding = ctranslate2.StorageView.from_array(reference._encoder.encode(samples, 30.0, 0))
        # Its own text is the one text along which it tells all its choices.
        result: Any = reference._whisper.generate(
            encoding, [task_tokens(onnx)], beam_size=1, max_length=200, return_logits_vocab=True
        )[0]
        text = [token for token in result.sequences_ids[0] if token < onnx._rules.end]
        scores = np.stack([np.array(step).reshape(-1)[: onnx._rules.end + 1] for step in result.logits[0]])
        # No text begins with an end, which it takes into account and the forced text does not.
        theirs.append(log_softmax(np.maximum(scores, -1e9))[1 : len(text)])
        own.append(logprobs_along(onnx, samples, text)[1 : len(text)])
        texts.append(text[1:])
    assert_alike(own, theirs, texts, equal=0.97, off=0.1)


def tokens_of(request: DecodeRequest) -> list[int]:
    """Of the window: what was said before it is kept too."""
    assert request.memory is not None
    kept = request.memory.kept
    before = sum(sample < request.begin for sample in kept.samples)
    tokens: list[int] = kept.tokens[before:]
    return tokens


def tie(engine: OnnxWhisperEngine, request: DecodeRequest, one: list[int], other: list[int]) -> float:
    """How much more probable the better of two texts' first different tokens is, by its logarithm."""
    same = next((i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    same = min(len(one), len(other)) if same is None else same
    recipe = RECIPES[Quality.DRAFT]
    fed = np.array([[*task_tokens(engine), *one[:same]]])
    width = fed.shape[1]
    encoding = engine._whisper.encode(request.samples, recipe.pad_s, recipe.tail_positions)
    states, _ = engine._whisper.batch([encoding]).run(fed, np.arange(width)[None], np.tri(width, dtype=np.bool_)[None])
    tokens, logprobs, _ = engine._whisper.choose(states[0, -1:], 1000)
    chances = dict(zip(tokens[0].tolist(), logprobs[0].tolist(), strict=True))
    pair = [[*text, engine._rules.end][same] for text in (one, other)]
    return float(abs(chances[pair[0]] - chances[pair[1]]))


def assert_apart_only_by_ties(
    engine: OnnxWhisperEngine, pairs: list[tuple[DecodeRequest, list[int], list[int]]], equal: float
) -> None:
    """``equal``: the least share of requests whose two texts are the same, token by token."""
    ties = [tie(engine, *pair) for pair in pairs if pair[1] != pair[2]]
    print(f"{len(pairs) - len(ties)} of {len(pairs)} equal; ties {np.round(sorted(ties), 2)}")
    assert len(ties) <= (1 - equal) * len(pairs)
    assert all(gap < 0.5 for gap in ties)


def test_a_short_window_is_encoded_as_if_silence_filled_thirty_seconds(
    onnx_tiny: OnnxWhisperEngine, english: list[tuple[Audio, str]]
) -> None:
    """How far off a real pad to 30 s is what the decoder's last layer sees of it."""
    whisper, recipe = onnx_tiny._whisper, RECIPES[Quality.FULL]
    for samples, _ in english[:4]:
        window = samples[:32_000]

        def seen(pad_s: float, tail: int, window: Audio = window) -> Floats:
            parts = whisper.encode(window, pad_s, tail).parts
            last = whisper.shape.decoder_layers - 1
            spoken: Floats = (parts[f"cv{last}"] * parts[f"vs{last}"])[:, :, : len(window) // POSITION_SAMPLES]
            return spoken

        wanted = seen(30.0, 0)
        blind, looking = (
            np.linalg.norm(seen(recipe.pad_s, tail) - wanted) / np.linalg.norm(wanted)
            for tail in (0, recipe.tail_positions)
        )
        print(f"without the silence {blind:.3f}, with it {looking:.3f}")
        assert looking < 0.7 * blind


def test_a_draft_along_the_last_one_is_the_draft_without_it(
    onnx_tiny: OnnxWhisperEngine, english: list[tuple[Audio, str]]
) -> None:
    pairs = []
    saved = 0
    for samples, _ in english[:5]:
        memory = Memory()
        for end in range(16_000, len(samples) + 1, 8_000):
            begin = max(0, end - 80_000)
            request = DecodeRequest(samples[begin:end], "en", begin=begin, memory=memory)
            saved += memory.kept is not None
            along = hear(onnx_tiny, request)
            alone = replace(request, memory=Memory())
            # Of a loop nothing is kept.
            if not hear(onnx_tiny, alone).truncated and not along.truncated:
                pairs.append((request, tokens_of(request), tokens_of(alone)))
    assert len(pairs) > 50
    assert saved > 0.8 * len(pairs)
    assert_apart_only_by_ties(onnx_tiny, pairs, equal=0.95)


def test_that_nobody_speaks_is_told_along_with_the_first_tokens(onnx_base: OnnxWhisperEngine, beckett: Audio) -> None:
    whisper, start = onnx_base._whisper, np.array([task_tokens(onnx_base)])
    width = start.shape[1]
    probabilities = []
    for samples in (beckett[:64_000], np.zeros(64_000, np.float32)):
        batch = whisper.batch([whisper.encode(samples, 2.0, 400)])
        states, _ = batch.run(start, np.arange(width)[None], np.tri(width, dtype=np.bool_)[None])
        (tokens, logprobs, _), (probability,) = whisper.open(states[0, -1:], states[0, :1], 3)
        alone, their_logprobs, _ = whisper.choose(states[0, -1:], 3)
        assert tokens[0, 0] == alone[0, 0]
        assert logprobs[0, 0] == pytest.approx(their_logprobs[0, 0], abs=0.1)
        assert probability == pytest.approx(whisper.no_speech_prob(states[0, 0]), abs=0.05)
        probabilities.append(probability)
    assert probabilities[0] < 0.3
    assert probabilities[1] > 0.7


def test_sessions_decoded_together_hear_what_each_hears_alone(
    onnx_tiny: OnnxWhisperEngine, english: list[tuple[Audio, str]]
) -> None:
    pairs = []
    for turn in range(8):
        lengths = [int((seconds + 0.2 * turn) * 16_000) for seconds in (2.1, 3.7, 5.0, 1.2)]
        clips = [english[(turn + i) % len(english)][0][:length] for i, length in enumerate(lengths)]
        run_together = [DecodeRequest(clip, "en", memory=Memory()) for clip in clips]
        for request, heard in zip(run_together, onnx_tiny.decode(run_together), strict=True):
            alone = replace(request, memory=Memory())
            text = hear(onnx_tiny, alone).text
            pairs.append((request, tokens_of(request), tokens_of(alone)))
            assert (heard.text == text) == (tokens_of(request) == tokens_of(alone))
            assert_times_sound(heard, len(request.samples) / 16_000)
    assert_apart_only_by_ties(onnx_tiny, pairs, equal=0.95)


def test_a_final_is_the_same_whatever_drafts_said(
    onnx_tiny: OnnxWhisperEngine, english: list[tuple[Audio, str]]
) -> None:
    sure = 0
    for samples, _ in english[:6]:
        final = DecodeRequest(samples, "en", quality=Quality.FULL)
        alone = hear(onnx_tiny, final)
        sure += all(word.probability > 0.4 for word in alone.words)
        memory = Memory()
        for end in range(16_000, len(samples), 24_000):
            begin = max(0, end - 64_000)
            hear(onnx_tiny, DecodeRequest(samples[begin:end], "en", begin=begin, memory=memory))
            assert hear(onnx_tiny, replace(final, memory=replace(memory))) == alone
    assert sure > 1


def test_a_final_is_the_same_whatever_runs_beside_it(
    onnx_tiny: OnnxWhisperEngine, english: list[tuple[Audio, str]]
) -> None:
    finals = [DecodeRequest(samples, "en", quality=Quality.FULL) for samples, _ in english[:3]]
    alone = [hear(onnx_tiny, final) for final in finals]
    over = threading.Event()

    def keep_busy() -> int:
        rounds = 0
        while not over.is_set():
            onnx_tiny.decode([DecodeRequest(english[(rounds + i) % len(english)][0], "en") for i in range(4)])
            rounds += 1
        return rounds

    with ThreadPoolExecutor(1) as threads:
        busy = threads.submit(keep_busy)
        try:
            memories = [Memory() for _ in finals]
            for _ in range(3):
                together = [
                    hear(onnx_tiny, replace(final, memory=memory))
                    for final, memory in zip(finals, memories, strict=True)
                ]
                assert together == alone
        finally:
            over.set()
        assert busy.result() > 0


def test_finals_are_decoded_one_by_one(onnx_tiny: OnnxWhisperEngine) -> None:
    final = DecodeRequest(np.zeros(16_000, np.float32), "en", quality=Quality.FULL)
    with pytest.raises(EngineError, match="one by one"):
        onnx_tiny.decode([final, final])


@pytest.mark.parametrize(("engine", "model"), [("onnx_tiny", "tiny.en"), ("onnx_base", "base")])
def test_words_are_said_when_ctranslate2_finds_them(
    request: pytest.FixtureRequest,
    english: list[tuple[Audio, str]],
    beckett: Audio,
    models_dir: Path,
    engine: str,
    model: str,
) -> None:
    onnx = request.getfixturevalue(engine)
    # In float32: on a CPU without VNNI its times in int8 are off by half a second now and then.
    reference = load_engine("faster-whisper", model, models_dir, device="cpu", compute_type="float32")
    starts, ends, last = [], [], []
    for samples in [beckett, *(samples for samples, _ in english)]:
        final = DecodeRequest(samples, "en", quality=Quality.FULL)
        own, theirs = hear(onnx, final).words, hear(reference, final).words
        if [word.text for word in own] != [word.text for word in theirs]:
            continue
        starts += [abs(a.start_s - b.start_s) for a, b in zip(own, theirs, strict=True)]
        ends += [abs(a.end_s - b.end_s) for a, b in zip(own, theirs, strict=True)]
        last.append(ends[-1])
    print(f"{len(last)} clips, {len(starts)} words; mean apart: {np.mean(starts):.3f} {np.mean(ends):.3f} s")
    assert len(last) >= 3
    assert np.median(starts) <= 0.1
    assert np.median(ends) <= 0.1
    assert np.percentile([*starts, *ends], 95) < 0.3
    # The pause after a text is no part of its last word.
    assert np.mean(last) < 0.2


@pytest.mark.parametrize("quality", list(Quality))
def test_the_language_is_the_one_that_ctranslate2_detects(
    onnx_base: OnnxWhisperEngine, base: FasterWhisperEngine, corpus: list[dict[str, Any]], quality: Quality
) -> None:
    for language in ("de", "fr", "es", "en"):
        rows = [row for row in corpus if row["lang"] == language and row["kind"] == "utterance" and row["text"]]
        for row in rows[:1]:
            request = DecodeRequest(read_audio(row["file"])[:160_000], None, quality=quality)
            own, theirs = hear(onnx_base, request), hear(base, request)
            assert own.language == theirs.language == language
            assert own.language_probability == pytest.approx(theirs.language_probability, abs=0.2)


def test_it_writes_other_languages_and_translates(onnx_base: OnnxWhisperEngine, corpus: list[dict[str, Any]]) -> None:
    for language in ("de", "fr", "es"):
        rows = [row for row in corpus if row["lang"] == language and row["kind"] == "utterance" and row["text"]]
        if not rows:
            pytest.skip(f"the corpus has no {language}")
        row = min(rows, key=lambda row: abs(row["duration_s"] - 10))
        samples = read_audio(row["file"])[: 30 * 16_000]
        heard = hear(onnx_base, DecodeRequest(samples, None, quality=Quality.FULL))
        assert word_error_rate(row["text"], heard.text) < 0.4
        assert_times_sound(heard, len(samples) / 16_000)
        english = hear(onnx_base, DecodeRequest(samples, language, task=Task.TRANSLATE, quality=Quality.FULL))
        assert {"the", "of", "to", "and", "a"} & set(english.text.casefold().split())


def test_windows_of_every_length_leave_no_memory_behind(onnx_tiny: OnnxWhisperEngine, beckett: Audio) -> None:
    random = np.random.default_rng(3)
    process = psutil.Process()

    def decode(count: int) -> None:
        for _ in range(count):
            begin, length = int(random.integers(0, 80_000)), int(random.integers(1_600, 80_000))
            hear(onnx_tiny, DecodeRequest(beckett[begin : begin + length], "en"))

    decode(40)
    before = process.memory_info().rss
    decode(200)
    grown = (process.memory_info().rss - before) / 2**20
    print(f"{grown:.0f} MiB")
    assert grown < 60


def test_what_it_cannot_run_says_what_can(models_dir: Path, onnx_tiny: OnnxWhisperEngine, tmp_path: Path) -> None:
    for options in ({"device": "cuda"}, {"compute_type": "float32"}):
        with pytest.raises(EngineError, match="use WHISPER_ENGINE=faster-whisper"):
            load_engine("onnxruntime", "tiny.en", models_dir, **options)  # type: ignore[arg-type]
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).symlink_to(models_dir / "tiny.en" / name)
    (tmp_path / "model.bin").write_bytes(b"not a model")
    with pytest.raises(EngineError, match=r"cannot be run on ONNX Runtime: .*model\.bin is damaged"):
        load_engine("onnxruntime", str(tmp_path), models_dir)
