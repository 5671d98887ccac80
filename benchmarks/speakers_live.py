"""Speakers live: the conversations of speakers.py as sessions, through the core of live sessions, unpaced.

What a final and a revision say depends on the audio alone, so they are those of a session in real time. `told` is what
the finals said, `at_done` what they say after all revisions. Costs are processor time of this process, and those of
voices are on top of an ordinary session's.
"""

import dataclasses
import os
import time
from typing import Any

# As in a transcriber, where several threads of numpy would only wait for each other: before numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import speakers
from common import write_result
from conversations import Conversation
from diarization_error import diarization_error, joined
from live_core import frames_of
from numpy.typing import NDArray

from stt_shared.contracts.events import Final, RevisedUtterance, SpeakersRevised, SpeakerTurn
from stt_shared.contracts.jobs import JobSegment, JobWord
from stt_shared.contracts.session import AUDIO_RATE_HZ, Endpointing, SessionConfig, TakeoverState
from stt_shared.contracts.speakers import SpeakerCount
from stt_transcriber.core.decoding import TurnRequest
from stt_transcriber.core.live.outcome import Advance
from stt_transcriber.core.live.policy import LivePolicy, TurnPolicy
from stt_transcriber.core.live.start import live_session
from stt_transcriber.engines.registry import load_engine
from stt_transcriber.models.store import default_models_dir
from stt_transcriber.speakers.registry import LazySpeakerModel
from stt_transcriber.turn.model import load_turn_model
from stt_transcriber.vad.models import load_vad


def main() -> None:
    args = speakers.conversation_arguments(__doc__).parse_args()
    _, asked = speakers.asked_conversations(args)
    sessions = Sessions(args.model)
    rows = [measured(sessions, conversation) for conversation in asked]
    audio_s = sum(row["audio_s"] for row in rows)
    write_result(
        args.out,
        "speakers_live",
        {
            "model": args.model,
            "half": args.half,
            "conversations": len(rows),
            "audio_s": round(audio_s),
            "finals": sum(row["finals"] for row in rows),
            "with_several_speakers": sum(row["several"] for row in rows),
            "revised": sum(row["revised"] for row in rows),
            "revisions": sum(row["revisions"] for row in rows),
            "number_right": round(sum(row["found"] == row["speakers"] for row in rows) / len(rows), 3),
            "found": [row["found"] for row in rows],
            "diarization_error_told": rate([row["told"] for row in rows]),
            "diarization_error_at_done": rate([row["at_done"] for row in rows]),
            "wrong_words_at_done": round(sum(row["wrong"] for row in rows) / sum(row["words"] for row in rows), 4),
            "voices_core_s_per_audio_s": round(sum(row["voices_s"] for row in rows) / audio_s, 4),
            "clustering_core_s_per_audio_s": round(sum(row["clustering_s"] for row in rows) / audio_s, 4),
        },
    )


class Sessions:
    """What a transcriber does with a session, without Redis and one step after the other."""

    def __init__(self, model: str) -> None:
        folder = default_models_dir()
        self._engine: Any = load_engine("onnxruntime", model, folder, device="cpu", workers=1, threads=1)
        self._new_vad = load_vad("silero")
        self._turn = load_turn_model(folder)
        self._voices = LazySpeakerModel(folder).get()
        self.voices_s = self.clustering_s = 0.0

    def events(self, samples: NDArray[np.int16]) -> list[Final | SpeakersRevised]:
        """Play a session and return its finals and revisions."""
        config = SessionConfig(endpointing=Endpointing.AUTO, interim_results=False, speakers=SpeakerCount())
        policy = LivePolicy(turn=TurnPolicy(has_model=self._turn is not None))
        session = live_session("s", config, policy, self._new_vad, committed=Advance(0, 0, TakeoverState()))
        said: list[Final | SpeakersRevised] = []
        for frame in frames_of(samples):
            session.feed(frame, 0)
            while ticket := session.begin():
                if isinstance(ticket.request, TurnRequest):
                    assert self._turn is not None
                    session.judge(self._turn.probability(ticket.request.samples), 0)
                    continue
                (hypothesis,) = self._engine.decode([ticket.request])
                began = time.process_time()
                if ticket.request.voice_windows:
                    voices = self._voices.voices(ticket.request.samples, ticket.request.voice_windows)
                    hypothesis = dataclasses.replace(hypothesis, voices=voices)
                    self.voices_s += time.process_time() - began
                began = time.process_time()
                session.apply(hypothesis, 0)
                self.clustering_s += time.process_time() - began
            events = [outcome.event for outcome in session.take_outcomes()]
            said += [event for event in events if isinstance(event, Final | SpeakersRevised)]
        return said


def measured(sessions: Sessions, conversation: Conversation) -> dict[str, Any]:
    sessions.voices_s = sessions.clustering_s = 0.0
    events = sessions.events(conversation.samples)
    finals = [event for event in events if isinstance(event, Final)]
    revisions = [event for event in events if isinstance(event, SpeakersRevised)]
    revised = {one.utterance: one for event in revisions for one in event.utterances}
    told, at_done = segments_of(finals, {}), segments_of(finals, revised)
    reference = {
        name: joined([(word.start_s, word.end_s) for word in conversation.words if word.speaker == name])
        for name in conversation.speakers
    }
    errors = diarization_error(reference, speakers.speech_of(at_done))
    wrong, words = speakers.wrong_words(conversation, at_done, errors)
    row = {
        "speakers": len(conversation.speakers),
        "found": len({word.speaker for word in speakers.words_of(at_done) if word.speaker}),
        "finals": len(finals),
        "several": sum(bool(final.turns) for final in finals),
        "revised": len(revised),
        "revisions": len(revisions),
        "told": diarization_error(reference, speakers.speech_of(told)),
        "at_done": errors,
        "wrong": wrong,
        "words": words,
        "audio_s": len(conversation.samples) / AUDIO_RATE_HZ,
        "voices_s": sessions.voices_s,
        "clustering_s": sessions.clustering_s,
    }
    print({name: value for name, value in row.items() if name not in ("told", "at_done")}, flush=True)
    print(rate([row["told"]]), rate([row["at_done"]]), flush=True)
    return row


def segments_of(finals: list[Final], revised: dict[int, RevisedUtterance]) -> list[JobSegment]:
    """The finals as segments of a file, each word with its speaker; one that has none is nobody's."""
    found = []
    for final in finals:
        newest: Any = revised.get(final.utterance, final)
        newest_turns = newest.turns or [SpeakerTurn(0, newest.speaker)]
        names = [
            turn.speaker or "" for turn in newest_turns for _ in range(_length(turn, newest_turns, len(final.words)))
        ]
        words = [
            JobWord(word.word, word.start_ms / 1000, word.end_ms / 1000, word.confidence, speaker=name)
            for word, name in zip(final.words, names, strict=True)
        ]
        found.append(JobSegment(0, words[0].start, words[-1].end, final.text, final.confidence, words))
    return found


def _length(turn: SpeakerTurn, turns: list[SpeakerTurn], words: int) -> int:
    at = turns.index(turn)
    return (turns[at + 1].word if at + 1 < len(turns) else words) - turn.word


def rate(errors: list[Any]) -> dict[str, float]:
    total = sum(one.total for one in errors)
    parts = {part: sum(getattr(one, part) for one in errors) / total for part in ("missed", "alarm", "confused")}
    return {"rate": round(sum(parts.values()), 4), **{part: round(value, 4) for part, value in parts.items()}}


if __name__ == "__main__":
    main()
