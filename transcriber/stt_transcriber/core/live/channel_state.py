"""State of a session whose channels are kept apart, as it is stored for the next owner."""

from collections.abc import Sequence

import msgspec

from stt_shared.contracts.session import ChannelState, TakeoverState, VocabularyChange
from stt_transcriber.core.live.outcome import Advance


def stored_of(committed: Advance, n_channels: int) -> Sequence[Advance]:
    """Return what is stored of each channel; of a session that begins or was lost, only the position is known."""
    context = committed.context
    if not context.channels:
        return [committed] * n_channels
    stored = []
    for at in context.channels:
        changes = tuple(context.vocabularies[number] for number in at.vocabularies)
        stored.append(Advance(at.samples, at.seq, msgspec.structs.replace(at.state, vocabularies=changes)))
    return stored


def context_of(committed: Sequence[Advance]) -> TakeoverState:
    """Return the state of all channels, with vocabularies that several of them have only once: they may be long."""
    vocabularies: list[VocabularyChange] = []
    channels = []
    for at in committed:
        own = at.context.vocabularies
        vocabularies += [change for change in own if change not in vocabularies]
        numbers = tuple(vocabularies.index(change) for change in own)
        channels.append(ChannelState(at.samples, at.seq, msgspec.structs.replace(at.context, vocabularies=()), numbers))
    return TakeoverState(channels=tuple(channels), vocabularies=tuple(vocabularies))
