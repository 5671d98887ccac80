"""Time limits of a live session: without a message, without audio, without an answer, and in all."""

from stt_shared.contracts.errors import SttError

FIRST_AUDIO_S = 10.0
"""Time that a session may be silent before its first audio."""
FIRST_AUDIO_KEPT_S = 60.0
"""Limit to which keepalives may extend that: a place is meant for a client that sends audio."""


class TimeLimits:
    """Limits of one session, which is opened at ``now_ms``. Times are in milliseconds of one monotonic clock.

    ``answer_timeout_s``: for the workers; None: as long as for the client.
    """

    def __init__(
        self, idle_timeout_s: float, max_session_s: float, now_ms: float, answer_timeout_s: float | None = None
    ) -> None:
        self._idle_ms = idle_timeout_s * 1000
        self._answer_ms = self._idle_ms if answer_timeout_s is None else answer_timeout_s * 1000
        self._max_session_ms = max_session_s * 1000
        self._opened_ms = self._last_message_ms = now_ms

    def message_received(self, now_ms: float) -> None:
        """Note that the client is there."""
        self._last_message_ms = now_ms

    def is_too_long(self, now_ms: float) -> bool:
        """Return whether the session has reached its longest duration."""
        return now_ms - self._opened_ms > self._max_session_ms

    def check_idle(self, now_ms: float, *, has_audio: bool) -> None:
        """Raise SttError idle when the client has been silent for too long."""
        silence_ms = self._idle_ms if has_audio else min(self._idle_ms, FIRST_AUDIO_S * 1000)
        if now_ms - self._last_message_ms > silence_ms:
            raise SttError("idle", f"nothing came for {silence_ms / 1000:g} s; send audio or keepalive more often")
        if not has_audio and now_ms - self._opened_ms > FIRST_AUDIO_KEPT_S * 1000:
            raise no_audio(FIRST_AUDIO_KEPT_S)

    def check_answered(self, now_ms: float, last_event_ms: float) -> None:
        """Raise SttError no_worker when a stopped session has had no event for too long."""
        if now_ms - max(self._last_message_ms, last_event_ms) > self._answer_ms:
            raise SttError("no_worker", "the session's workers do not answer; connect again")


def no_audio(within_s: float) -> SttError:
    """Return the error for a client that has sent no audio for as long as it may."""
    return SttError("idle", f"no audio came within {within_s:g} s; connect when there is some")
