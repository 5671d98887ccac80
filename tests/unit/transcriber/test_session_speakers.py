"""Speakers of live sessions from made-up voices: who is told, what is revised, and what the next owner tells."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stt_shared.contracts.events import SpeakerTurn
from stt_shared.contracts.speakers import KnownVoice, SpeakerCount
from stt_transcriber.core.speakers import session as session_module
from stt_transcriber.core.speakers.known import HELD, KNOWN_FROM, packed
from stt_transcriber.core.speakers.session import MOST_GROUPS, Part, SessionSpeakers, Told

pytestmark = pytest.mark.unit

Floats = NDArray[np.float32]
SIZE = 64
OWN = np.linalg.qr(np.random.default_rng(1).standard_normal((SIZE, SIZE)))[0].astype(np.float32)


def voice(speaker: int, seed: int, spread: float = 0.8) -> Floats:
    """Two of one speaker have a cosine of about 0.6, of two speakers about 0, as on real speech."""
    other = np.random.default_rng(seed).standard_normal(SIZE).astype(np.float32) / 8
    mixed = OWN[speaker] + spread * other
    return np.asarray(mixed / np.linalg.norm(mixed), np.float32)


def part(speaker: int, seed: int, *, words: int = 5, seconds: float = 2.0) -> Part:
    return Part(words, voice(speaker, seed), seconds)


def told_of(speakers: SessionSpeakers, said: list[int], first: int = 1) -> list[Told]:
    return [speakers.add(number, [part(who, number)]) for number, who in enumerate(said, start=first)]


def test_speakers_are_numbered_as_they_first_speak_and_keep_their_numbers() -> None:
    speakers = SessionSpeakers(SpeakerCount())
    said = [3, 3, 1, 3, 2, 1, 2, 3, 1, 2]
    names = [told.speaker for told in told_of(speakers, said)]
    assert names == [f"Speaker {[3, 1, 2].index(who) + 1}" for who in said]
    assert speakers.revise() == []


def test_confidence_is_high_for_a_known_voice_and_low_for_one_between_two() -> None:
    speakers = SessionSpeakers(SpeakerCount(2, 2))
    told_of(speakers, [0, 1, 0, 1])
    known = speakers.add(5, [part(0, 5)])
    between = OWN[0] + OWN[1]
    unsure = speakers.add(6, [Part(5, np.asarray(between / np.linalg.norm(between), np.float32), 2.0)])
    assert unsure.confidence < 0.9 < known.confidence <= 1.0


def test_who_says_most_is_the_speaker_and_turns_say_who_says_what() -> None:
    speakers = SessionSpeakers(SpeakerCount())
    told_of(speakers, [0, 1])
    told = speakers.add(3, [part(1, 3, words=2), part(0, 4, words=7), part(0, 5, words=1)])
    assert told.speaker == "Speaker 1"
    assert told.turns == [SpeakerTurn(0, "Speaker 2"), SpeakerTurn(2, "Speaker 1")]
    assert speakers.add(4, [part(0, 6), part(0, 7)]).turns == []


def test_speech_without_a_voice_or_of_nobody_likely_has_no_speaker() -> None:
    speakers = SessionSpeakers(SpeakerCount())
    assert speakers.add(1, [Part(1, None, 0.0)]) == Told(None, 0.0, [])
    told_of(speakers, [0, 0, 1, 1], first=2)
    assert speakers.add(6, [part(9, 6, seconds=0.5)]).speaker is None
    assert speakers.add(7, [part(1, 7, seconds=0.5)]).speaker == "Speaker 2"


def test_two_voices_that_turn_out_to_be_one_are_revised_once() -> None:
    speakers = SessionSpeakers(SpeakerCount())
    far, near = voice(0, 1, spread=0.0), OWN[0] + 3.0 * OWN[1]
    names = [
        speakers.add(1, [Part(3, far, 1.5)]).speaker,
        speakers.add(2, [Part(3, np.asarray(near / np.linalg.norm(near), np.float32), 1.5)]).speaker,
    ]
    assert names == ["Speaker 1", "Speaker 2"]
    bridge = OWN[0] + OWN[1]
    revised = []
    for number in range(3, 9):
        speakers.add(number, [Part(3, np.asarray(bridge / np.linalg.norm(bridge), np.float32), 3.0)])
        revised += speakers.revise()
    assert {one.utterance for one in revised} & {1, 2}
    assert speakers.revise() == []
    last = {one.utterance: one.speaker for one in revised}
    everybody = {last.get(1, names[0]), last.get(2, names[1])}
    assert len(everybody) == 1


@pytest.mark.parametrize("killed_after", [1, 5, MOST_GROUPS, MOST_GROUPS + 20])
def test_the_next_owner_tells_the_same(killed_after: int) -> None:
    draw = np.random.default_rng(2)
    said = [int(draw.integers(3)) for _ in range(MOST_GROUPS + 40)]

    def go_on(speakers: SessionSpeakers, first: int, last: int) -> list[object]:
        seen: list[object] = []
        for number in range(first, last):
            parts = [part(said[number], number), *([part(said[number - 1], 1000 + number)] if number % 7 == 0 else [])]
            seen += [speakers.add(number, parts), speakers.revise(), speakers.stored()]
        return seen

    calm = SessionSpeakers(SpeakerCount())
    go_on(calm, 1, killed_after + 1)
    taken_over = SessionSpeakers(SpeakerCount(), calm.stored())
    assert go_on(taken_over, killed_after + 1, len(said)) == go_on(calm, killed_after + 1, len(said))


def test_a_long_session_keeps_a_bounded_state_and_its_speakers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "MOST_PARTS", 100)
    speakers = SessionSpeakers(SpeakerCount())
    draw = np.random.default_rng(3)
    said = [0, 1, 2, *(int(draw.integers(3)) for _ in range(300))]
    names = [told.speaker for told in told_of(speakers, said)]
    assert names == [f"Speaker {who + 1}" for who in said]
    assert len(speakers.stored()) < MOST_GROUPS * (SIZE + 9) + 4 * 100 + 50


def test_nobody_speaks_on_two_channels() -> None:
    speakers = SessionSpeakers(SpeakerCount())
    said = [(1, 0), (0, 0), (1, 0), (1, 2), (0, 0), (1, 2)]
    names = [speakers.add(at, [part(who, at)], channel).speaker for at, (channel, who) in enumerate(said, start=1)]
    assert names == [f"Speaker {number}" for number in (1, 2, 1, 3, 2, 3)]
    assert speakers.revise() == []


def test_the_number_of_speakers_is_that_of_each_channel() -> None:
    speakers = SessionSpeakers(SpeakerCount(1, 1))
    said = [(0, 0), (1, 1), (1, 2), (0, 3)]
    names = [speakers.add(at, [part(who, at)], channel).speaker for at, (channel, who) in enumerate(said, start=1)]
    assert names == ["Speaker 1", "Speaker 2", "Speaker 2", "Speaker 1"]


def test_of_many_voices_only_those_of_one_channel_are_joined() -> None:
    speakers = SessionSpeakers(SpeakerCount())
    names = [speakers.add(at, [part(0, at)], at % 2).speaker for at in range(1, 2 * MOST_GROUPS)]
    assert names == [f"Speaker {(at + 1) % 2 + 1}" for at in range(1, 2 * MOST_GROUPS)]


def known(name: str, speaker: int, enrolled_ms: int = 1) -> KnownVoice:
    return KnownVoice(name, packed(OWN[speaker][None]), enrolled_ms)


def toward(speaker: int, cosine: float) -> Floats:
    return np.asarray(cosine * OWN[speaker] + (1 - cosine**2) ** 0.5 * OWN[speaker + 20], np.float32)


def named(speakers: SessionSpeakers, *voices: Floats, first: int = 1) -> list[str | None]:
    """Who says what, each 2 s, as told last."""
    told = {}
    for at, heard in enumerate(voices, start=first):
        told[at] = speakers.add(at, [Part(3, heard, 2.0)]).speaker
        told |= {one.utterance: one.speaker for one in speakers.revise()}
    return list(told.values())


def test_known_voices_have_their_names_and_the_others_their_numbers() -> None:
    speakers = SessionSpeakers(SpeakerCount())
    speakers.know([known("Anna", 0), known("Bob", 7)])
    assert [told.speaker for told in told_of(speakers, [0, 1, 0, 2])] == ["Anna", "Speaker 2", "Anna", "Speaker 3"]


def test_a_name_that_comes_later_is_a_revision() -> None:
    speakers = SessionSpeakers(SpeakerCount())
    speakers.know([known("Anna", 0)])
    assert speakers.add(1, [Part(3, toward(0, KNOWN_FROM - 0.05), 2.0)]).speaker == "Speaker 1"
    told = speakers.add(2, [Part(1, None, 0.0), Part(3, toward(0, 0.9), 4.0)])
    assert (told.speaker, told.turns) == ("Anna", [SpeakerTurn(0, None), SpeakerTurn(1, "Anna")])
    assert [(one.utterance, one.speaker) for one in speakers.revise()] == [(1, "Anna")]
    assert speakers.revise() == []


def test_a_name_does_not_come_and_go() -> None:
    speakers = SessionSpeakers(SpeakerCount(1, 1))
    speakers.know([known("Anna", 0)])
    voices = [toward(0, KNOWN_FROM + 0.02), *[toward(0, KNOWN_FROM - 0.05)] * 3]
    assert named(speakers, *voices) == ["Anna"] * 4
    assert named(speakers, *[toward(0, KNOWN_FROM - HELD - 0.15)] * 8, first=5)[0] == "Speaker 1"


def test_who_is_deleted_keeps_the_name_and_who_is_enrolled_later_gets_none() -> None:
    speakers = SessionSpeakers(SpeakerCount())
    speakers.know([known("Anna", 0, 10), known("Bob", 1, 20)])
    assert named(speakers, OWN[0]) == ["Anna"]
    speakers.know([known("Cleo", 2, 30)])
    after = SessionSpeakers(SpeakerCount(), speakers.stored())
    after.know([known("Cleo", 2, 30)])
    for owner in (speakers, after):
        assert named(owner, OWN[0], OWN[1], OWN[2], first=2) == ["Anna", "Speaker 2", "Speaker 3"]


def test_a_session_that_began_without_known_voices_learns_of_none() -> None:
    speakers = SessionSpeakers(SpeakerCount())
    speakers.know([])
    assert named(speakers, OWN[0]) == ["Speaker 1"]
    after = SessionSpeakers(SpeakerCount(), speakers.stored())
    after.know([known("Anna", 0)])
    assert named(after, OWN[0], first=2) == ["Speaker 1"]
