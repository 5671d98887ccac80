"""Start of a live session, of one kind or the other: with its channels mixed to one, or kept apart."""

from collections.abc import Callable, Collection

from stt_shared.contracts.session import SessionConfig
from stt_transcriber.core.audio.vad_stream import VadModel
from stt_transcriber.core.live.channels import ChannelSessions
from stt_transcriber.core.live.outcome import Advance
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.session import LiveSession
from stt_transcriber.core.live.telling import Telling


def live_session(
    session_id: str,
    config: SessionConfig,
    policy: LivePolicy,
    new_model: Callable[[], VadModel],
    *,
    committed: Advance,
    finals: int = 0,
    showing: Collection[int | None] = (),
) -> LiveSession | ChannelSessions:
    """Return a session, or one that continues after a takeover.

    ``committed`` and ``finals`` hold what was stored with the last commit; ``showing``: the channels of
    which a partial is shown that no final has replaced, None for that of mixed ones.
    """
    telling = Telling(session_id, config.speakers, committed.voices) if config.speakers else None
    if config.channels_apart:
        return ChannelSessions(
            session_id, config, policy, new_model, committed=committed, finals=finals, telling=telling, showing=showing
        )
    return LiveSession(
        session_id,
        config,
        policy,
        new_model(),
        committed_samples=committed.samples,
        committed_seq=committed.seq,
        finals=finals,
        context=committed.context,
        telling=telling,
        showing=None in showing,
    )
