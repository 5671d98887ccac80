"""Parts of one gateway process that its routes share."""

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from stt_gateway.authorize import Authorize
from stt_gateway.core.operation.waiting_clients import WaitingClients
from stt_gateway.core.requests.retry_after import RetryAfter
from stt_gateway.core.requests.subprotocols import offered_query
from stt_gateway.keys.accounts import Accounts
from stt_gateway.keys.administration import KeyAdministration
from stt_gateway.keys.holders import KeyHolders
from stt_gateway.keys.limits import KeyLimits
from stt_gateway.keys.places import Places
from stt_gateway.keys.stored import StoredQuota
from stt_gateway.live.admission import Admission, NoPlaceError
from stt_gateway.live.attached import AttachedSessions
from stt_gateway.live.connection_limit import ConnectionLimit
from stt_gateway.live.detached import DetachedSessions
from stt_gateway.live.fanout import Fanout
from stt_gateway.settings import GatewaySettings
from stt_gateway.store.interface import TranscriptStore
from stt_gateway.store.retention import Retentions
from stt_gateway.store.tenant_sweeper import TenantSweeper
from stt_gateway.store.usage import UsageStore
from stt_gateway.store.voices import VoiceStore
from stt_shared.contracts.conversation import said_from
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import monotonic_ms
from stt_shared.streams.bus import Bus
from stt_shared.work.heartbeat import Heartbeat
from stt_shared.work.service import ReplicaState

if TYPE_CHECKING:
    from stt_gateway.keys.sign_in import SignIn


@dataclass(frozen=True)
class GatewayContext:
    """Shared parts; created when the app starts and stored in ``app.state.context``."""

    settings: GatewaySettings
    replica: ReplicaState
    authorize: Authorize
    bus: Bus
    admission: Admission
    connection_limit: ConnectionLimit
    viewer_limit: ConnectionLimit
    held_requests: ConnectionLimit
    search_limit: ConnectionLimit
    retry_after: RetryAfter
    detached: DetachedSessions
    store: TranscriptStore
    heartbeat: Heartbeat
    sessions: AttachedSessions
    key_holders: KeyHolders
    limits: KeyLimits
    accounts: Accounts
    stored: StoredQuota
    usage: UsageStore
    voices: VoiceStore
    tenants: TenantSweeper
    retentions: Retentions
    places: Places
    keys: KeyAdministration | None
    """What manages keys; None without keys (AUTH=off, or a check of another kind)."""
    sign_in: "SignIn | None" = None
    """Sign-in of people; None without (AUTH=off or keys)."""
    waiting_clients: WaitingClients = field(default_factory=WaitingClients)
    logged_unreadable: set[str] = field(default_factory=set)
    """Living replicas whose unreadable metrics have been logged."""

    @functools.cached_property
    def utterances(self) -> Fanout:
        """Fan-out of finished utterances, for the conversations that have viewers at this gateway."""
        return Fanout(self.bus, epoch=lambda payload: said_from(payload).epoch)

    @functools.cached_property
    def live_utterances(self) -> Fanout:
        """Fan-out of utterances that are still being spoken, for the same conversations."""
        return Fanout(self.bus)

    def retry_after_s(self, error: SttError) -> float | None:
        """Return how many seconds a client refused with this error should wait; None if waiting cannot help.

        Each call books the next time for one more client.
        """
        if error.retry_after_s is not None:
            return error.retry_after_s
        if not error.kind.is_passing:
            return None
        now_s = monotonic_ms() / 1000
        retry_after_s = self.retry_after.next_s(now_s)
        if isinstance(error, NoPlaceError):
            self.waiting_clients.tell(now_s, retry_after_s)
        return retry_after_s


def context_of(connection: HTTPConnection) -> GatewayContext:
    """Return the context of the app that serves ``connection``."""
    context: GatewayContext = connection.app.state.context
    return context


def query_of(connection: HTTPConnection) -> list[tuple[str, str]]:
    """Return the query of a request or handshake, with the parameters that a subprotocol carries.

    Those of the authorise check are left out, and those that are meant for a proxy in front. Raises SttError bad_config
    for a subprotocol that cannot be read.
    """
    context = context_of(connection)
    pairs = [*connection.query_params.multi_items(), *offered_query(connection.scope.get("subprotocols", ()))]
    return [
        (name, value)
        for name, value in pairs
        if name not in context.authorize.parameters and name not in context.settings.ignored_parameter_names
    ]
