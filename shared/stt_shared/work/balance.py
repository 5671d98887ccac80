"""When a replica gives a session to another of its service: pure.

Only the fullest gives, only the emptiest gets, and only when that makes them more equal. So moves come one after the
other and end, however many replicas look at the same figures.
"""

from collections.abc import Sequence

from stt_shared.work.heartbeat import ReplicaStatus

LEAST_DIFFERENCE = 2
"""Sessions that the giver must have more than the getter: with one less, they would only change places."""


def recipient(own_id: str, replicas: Sequence[ReplicaStatus]) -> str | None:
    """The replica that ``own_id`` should give a session to; None to keep all.

    ``replicas``: those alive of one service, ``own_id`` among them. Who is not ready neither gives nor gets.
    """
    ready = [replica for replica in replicas if replica.state == "ready"]
    if not ready:
        return None
    giver = max(ready, key=lambda replica: (replica.sessions, replica.id))
    getters = [replica for replica in ready if replica.sessions < replica.capacity]
    if giver.id != own_id or not getters:
        return None
    getter = min(getters, key=lambda replica: (replica.sessions, replica.id))
    return getter.id if giver.sessions - getter.sessions >= LEAST_DIFFERENCE else None
