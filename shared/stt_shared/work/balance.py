"""Pure decision whether a replica gives a session to another replica of its service.

Only the fullest replica gives, only the emptiest receives, and only when that makes them more equal. Moves therefore
come one after another and end, however many replicas decide on the same figures.
"""

from collections.abc import Sequence

from stt_shared.streams.replicas import ReplicaStatus

LEAST_DIFFERENCE = 2
"""Minimum difference in sessions between giver and receiver: with a smaller one they would only swap roles."""


def recipient(own_id: str, replicas: Sequence[ReplicaStatus]) -> str | None:
    """Return the replica that ``own_id`` should give a session to; None to keep all.

    ``replicas``: the living replicas of one service, including ``own_id``. Replicas that are not ready neither give nor
    receive.
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
