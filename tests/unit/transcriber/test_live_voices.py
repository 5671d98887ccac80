"""Voices in a live session: what a final is asked for, whose its words are, and that a takeover changes nothing."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from support.fake_vad import LoudnessVad
from support.live_driver import Driver, heard
from support.takeover_runs import Case, Kept, killed_often, run

from stt_shared.contracts.events import Final, SpeakersRevised, SpeakerTurn
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.session import ChannelMode, SessionConfig
from stt_shared.contracts.speakers import KnownVoice, SpeakerCount
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.speakers.known import packed
from stt_transcriber.core.speakers.windows import WINDOW, sparse_windows_in

pytestmark = pytest.mark.unit

Floats = NDArray[np.float32]


def voices_of(*speakers: int) -> Floats:
    return np.eye(4, dtype=np.float32)[list(speakers)]


def test_a_long_stretch_has_a_window_every_two_seconds() -> None:
    parts = sparse_windows_in([(0, 16000), (20_000, 20_000 + 4 * 16000), (200_000, 201_000)])
    assert [part for part, _ in parts] == [(0, 16000), (20_000, 52_000), (52_000, 84_000)]
    assert parts[0][1] == (0, 16000)
    assert all(stop - start == WINDOW for _, (start, stop) in parts[1:])
    assert all(part[0] <= start and stop <= part[1] for part, (start, stop) in parts)
    assert sparse_windows_in([(0, 6000)]) == [], "a very short stretch has none"


def spoken(driver: Driver) -> None:
    """Two stretches of speech with a short pause between them, in one utterance."""
    driver.audio(2.0, loud=True)
    driver.audio(0.4, loud=False)
    driver.audio(1.0, loud=True)
    driver.control(FrameKind.FINALIZE)


def test_each_word_has_the_speaker_of_its_stretch() -> None:
    driver = Driver(speakers=SpeakerCount(2, 2))
    spoken(driver)
    ticket = driver.session.begin()
    assert ticket is not None
    windows = ticket.decode.voice_windows
    assert len(windows) == 2
    words = [("one", 0.1, 0.6), ("two", 1.0, 1.5), ("three", 2.5, 3.0)]
    driver.apply(heard(*words, voices=voices_of(0, 1)))
    (final,) = driver.events(Final)
    assert final.speaker == "Speaker 1"
    assert final.turns == [SpeakerTurn(0, "Speaker 1"), SpeakerTurn(2, "Speaker 2")]
    assert final.speaker_confidence > 0.9


def test_without_speakers_nothing_is_asked_for_and_finals_are_as_they_were() -> None:
    driver = Driver()
    spoken(driver)
    ticket = driver.session.begin()
    assert ticket is not None
    assert ticket.decode.voice_windows == ()
    driver.apply(heard(("one", 0.1, 0.6)))
    (final,) = driver.events(Final)
    assert b"speaker" not in msgspec.json.encode(final)
    assert all(not outcome.advance.voices for outcome in driver.outcomes if outcome.advance)


def test_where_no_model_told_the_voices_the_speaker_is_null() -> None:
    driver = Driver(speakers=SpeakerCount())
    spoken(driver)
    assert driver.session.begin() is not None
    driver.apply(heard(("one", 0.1, 0.6)))
    (final,) = driver.events(Final)
    assert (final.speaker, final.speaker_confidence) == (None, 0.0)


LEVELS = (2000, 9000, 18_000)


def loud_or_not(request: DecodeRequest) -> Hypothesis:
    """A word each half second, and a voice for each level of loudness, with so much noise that speakers are revised."""
    seconds = len(request.samples) / 16000
    words = [(f"w{at}", at / 2, at / 2 + 0.4) for at in range(max(1, int(seconds * 2)))]
    found = []
    for begin, end in request.voice_windows:
        level = round(float(np.abs(request.samples[begin:end]).max()) * 32768)
        voice = np.random.default_rng([request.begin + begin]).standard_normal(16) * 0.45
        voice[LEVELS.index(level)] += 1.0
        found.append(voice / np.linalg.norm(voice))
    return replace(heard(*words), voices=np.array(found, np.float32) if found else None)


def speech(seed: int, levels: tuple[int, ...] = LEVELS) -> NDArray[np.int16]:
    draw = np.random.default_rng(seed)
    parts = []
    for _ in range(14):
        level = draw.choice(levels)
        parts += [np.full(int(draw.uniform(0.5, 4) * 16000), level), np.zeros(int(draw.choice([0.3, 0.9]) * 16000))]
    return np.concatenate(parts).astype(np.int16)


def framed(audio: NDArray[np.int16]) -> list[Frame]:
    frames = [
        Frame(at // 1600 + 1, FrameKind.AUDIO, audio[at : at + 1600].tobytes(), FrameMeta(1.0, at))
        for at in range(0, len(audio), 1600)
    ]
    return [*frames, Frame(len(frames) + 1, FrameKind.STOP)]


def one_channel() -> Case:
    config = SessionConfig(speakers=SpeakerCount(), interim_results=False)
    return Case(config, LivePolicy(), framed(speech(4)), LoudnessVad, loud_or_not)


def two_channels() -> Case:
    """The same voice is on both channels, and two others are on one of them."""
    config = SessionConfig(
        speakers=SpeakerCount(), interim_results=False, channels=2, channel_mode=ChannelMode.SEPARATE
    )
    one, other = speech(4), speech(5, LEVELS[:1])
    shorter = min(len(one), len(other))
    audio = np.stack([one[:shorter], other[:shorter]], axis=1)
    return Case(config, LivePolicy(), framed(audio), LoudnessVad, loud_or_not)


def enrolled(*names: str) -> list[KnownVoice]:
    """Known voices of the levels, the softest first."""
    voices = np.eye(16, dtype=np.float32)
    return [KnownVoice(name, packed(voices[at : at + 1])) for at, name in enumerate(names)]


CASES = {
    "a channel": one_channel(),
    "channels": two_channels(),
    "known": replace(one_channel(), known=enrolled("Anna", "Bob")),
    "known, channels": replace(two_channels(), known=enrolled("Anna", "Bob")),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_worker_that_is_killed_anywhere_changes_no_speaker(case: Case) -> None:
    calm = Kept()
    assert run(case, calm, np.random.default_rng(1))
    assert len({final.speaker for final in calm.finals}) > 1
    assert {"Anna", "Bob"} & {final.speaker for final in calm.finals} or not case.known
    assert any(isinstance(event, SpeakersRevised) for event in calm.events)
    for seed in range(6):
        kept, kills = killed_often(case, np.random.default_rng(seed), most_writes=8)
        assert kills
        assert kept.comparable() == calm.comparable(), seed
        assert kept.revisions() == calm.revisions(), seed
