"""Early refusal of requests that no loaded model can serve, which would otherwise get no answer."""

from collections.abc import Sequence

from stt_gateway.core.operation.health import Replica
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.services import ServiceName
from stt_shared.contracts.session import Task


def check_model_can(replicas: Sequence[Replica], language: str | None, task: Task) -> None:
    """Raise SttError bad_config when no ready transcriber knows the language, or none can translate.

    Everything is allowed when no transcriber is ready or none reports its languages.
    """
    known: set[str] = set()
    for replica in replicas:
        if replica.service == ServiceName.TRANSCRIBER and replica.state == "ready":
            known.update(replica.detail.get("languages", ()))
    if not known:
        return
    if language is not None and language not in known:
        raise SttError("bad_config", f"language={language} is not allowed; the model here knows {_listed(known)}")
    if task is Task.TRANSLATE and known == {"en"}:
        raise SttError("bad_config", "task=translate is not allowed; the model here knows English only")


def _listed(codes: set[str]) -> str:
    return ", ".join(sorted(codes))
