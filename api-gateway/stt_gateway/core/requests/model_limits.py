"""Early refusal of requests that no loaded model can serve, which would otherwise get no answer."""

from collections.abc import Sequence

from stt_gateway.core.operation.health import Replica
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.services import ServiceName
from stt_shared.contracts.session import Task


def check_model_can(replicas: Sequence[Replica], languages: Sequence[str], task: Task) -> None:
    """Raise SttError bad_config when no ready transcriber knows one of the languages, or none can translate.

    Everything is allowed when no transcriber is ready or none reports its languages.
    """
    known: set[str] = set()
    for replica in replicas:
        if replica.service == ServiceName.TRANSCRIBER and replica.state == "ready":
            known.update(replica.detail.get("languages", ()))
    if not known:
        return
    unknown = [language for language in languages if language not in known]
    if unknown:
        name = "language" if len(languages) == 1 else "languages"
        message = f"{name}={','.join(unknown)} is not allowed; the model here knows {_listed(known)}"
        raise SttError("bad_config", message, param=name)
    if task is Task.TRANSLATE and known == {"en"}:
        raise SttError("bad_config", "task=translate is not allowed; the model here knows English only")


def check_speakers(replicas: Sequence[Replica]) -> None:
    """Raise SttError bad_config when no ready transcriber can tell speakers apart, and one says so."""
    able = [
        replica.detail["speakers"]
        for replica in replicas
        if replica.service == ServiceName.TRANSCRIBER and replica.state == "ready" and "speakers" in replica.detail
    ]
    if able and not any(able):
        message = "speakers is not allowed; no transcriber here has the model for it (stt models pull diarization)"
        raise SttError("bad_config", message)


def _listed(codes: set[str]) -> str:
    return ", ".join(sorted(codes))
