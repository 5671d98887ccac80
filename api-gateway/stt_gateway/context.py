"""Services that the routes of one gateway process share."""

import functools
from dataclasses import dataclass, field

from redis.asyncio import Redis
from starlette.requests import HTTPConnection

from stt_gateway.core.requests.retry_after import RetryAfter
from stt_gateway.live.admission import Admission
from stt_gateway.live.connection_limit import Connections
from stt_gateway.live.detached import DetachedSessions
from stt_gateway.live.fanout import Fanout
from stt_gateway.live.session import Session
from stt_gateway.settings import GatewaySettings
from stt_gateway.store.interface import TranscriptStore
from stt_shared.contracts.conversation import utterance_from
from stt_shared.contracts.errors import ErrorKind
from stt_shared.process.clock import monotonic_ms
from stt_shared.process.tasks import LoopMonitor
from stt_shared.redis.channels import ChannelHub
from stt_shared.streams.sessions import SessionStreams
from stt_shared.work.heartbeat import Heartbeat


@dataclass(frozen=True)
class GatewayContext:
    """Shared services; created when the app starts and stored in ``app.state.services``."""

    settings: GatewaySettings
    replica_id: str
    redis: Redis
    functions: SessionStreams
    hub: ChannelHub
    admission: Admission
    connections: Connections
    retry_times: RetryAfter
    parking: DetachedSessions
    store: TranscriptStore
    loop_watch: LoopMonitor
    heartbeat: Heartbeat
    sessions: set[Session] = field(default_factory=set)
    """Sessions that are being served."""
    told_unreadable: set[str] = field(default_factory=set)
    """Living replicas whose unreadable metrics have been logged."""

    @functools.cached_property
    def settled(self) -> Fanout:
        """Fan-out of settled utterances, for the conversations that have viewers at this gateway."""
        return Fanout(self.hub, self.redis, epoch=lambda payload: utterance_from(payload).epoch)

    @functools.cached_property
    def unsettled(self) -> Fanout:
        """Fan-out of unsettled text, for the same conversations."""
        return Fanout(self.hub, None)

    @property
    def state(self) -> str:
        """State that the gateway's heartbeat reports."""
        return "stalled" if self.loop_watch.blocked_s > self.settings.health_stall_s else "ready"

    def retry_after_s(self, kind: ErrorKind) -> float | None:
        """Return how many seconds a client refused with this kind of error should wait; None if waiting cannot help.

        Each call books the next time for one more client.
        """
        return self.retry_times.next_s(monotonic_ms() / 1000) if kind.is_passing else None


def context_of(connection: HTTPConnection) -> GatewayContext:
    """Return the services of the app that serves ``connection``."""
    services: GatewayContext = connection.app.state.services
    return services
