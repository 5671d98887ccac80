"""Live sessions of this replica."""

from stt_shared.contracts.services import ServiceName
from stt_shared.process.metrics import SESSIONS, SESSIONS_TOTAL
from stt_shared.streams.ownership import OwnershipLost
from stt_shared.work.stage import Assignment
from stt_transcriber.core.schedule.pacing import DraftPacing
from stt_transcriber.live.parts import LiveParts
from stt_transcriber.live.session_runner import SessionRunner


class LiveWorker:
    """Live sessions of this replica; ``handle`` runs one session from its committed position to `done`."""

    def __init__(self, parts: LiveParts) -> None:
        self._parts = parts
        self._sessions = 0
        self._speaking: set[SessionRunner] = set()

    @property
    def speaking(self) -> int:
        """Number of sessions in mid-utterance."""
        return len(self._speaking)

    def set_speaking(self, runner: SessionRunner, speaking: bool) -> None:
        """Record whether a session is in the middle of an utterance."""
        if speaking:
            self._speaking.add(runner)
        else:
            self._speaking.discard(runner)

    def may_move(self, session_id: str) -> bool:
        """Return True between utterances, where the next owner of the session has little audio to process again."""
        return all(runner.id != session_id for runner in self._speaking)

    def pace(self, now_ms: float) -> DraftPacing:
        """Return how often a session may have a draft."""
        return self._parts.pool.load.pace(len(self._speaking), now_ms)

    async def handle(self, assignment: Assignment) -> None:
        """Run one session. Returns when it is done, superseded or owned by another replica."""
        self._sessions += 1
        self._parts.pool.scheduler.sessions(self._sessions)
        SESSIONS.labels(ServiceName.TRANSCRIBER).inc()
        SESSIONS_TOTAL.labels(ServiceName.TRANSCRIBER).inc()
        runner = SessionRunner(self._parts, self, assignment)
        try:
            await runner.run()
        except OwnershipLost as lost:
            runner.log.info("session left", reason=str(lost))
        finally:
            self._parts.pool.cancel(runner)
            self.set_speaking(runner, False)
            self._sessions -= 1
            self._parts.pool.scheduler.sessions(self._sessions)
            SESSIONS.labels(ServiceName.TRANSCRIBER).dec()
