"""Facts about the suite itself: its models, who may come, and what runs."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from stt_cli.doctor.core import suite as rules
from stt_cli.errors import CliError
from stt_cli.http.readiness import Health, ask_health
from stt_cli.http.tls import launchers_tls
from stt_cli.model_files import is_users_own, models_dir_of
from stt_cli.up.listen import url_at
from stt_cli.up.settings import UpSettings
from stt_shared.contracts.engines import EngineName
from stt_shared.contracts.findings import Finding, Level
from stt_shared.process.listening import CannotListen, open_listener
from stt_transcriber.models.registry import CHECKPOINT_SUFFIX, KNOWN_MODELS, TURN_MODEL
from stt_transcriber.models.store import ModelError, resolve, verify


def model_findings(up: UpSettings) -> Iterator[Finding]:
    """Yield whether the models are there, with the digests that their publishers name."""
    if up.whisper_engine == EngineName.INSTANT:
        yield Finding("model", Level.OK, "WHISPER_ENGINE=instant needs none")
        return
    folder, name = models_dir_of(up.models_dir), up.whisper_model
    checkpoint = name.removesuffix(CHECKPOINT_SUFFIX) + CHECKPOINT_SUFFIX
    if up.whisper_engine == EngineName.OPENAI_WHISPER and checkpoint in KNOWN_MODELS and not is_users_own(name):
        name = checkpoint
    yield _model(name, folder, Level.ERROR)
    yield _model(TURN_MODEL, folder, Level.WARNING)


def access_findings(up: UpSettings) -> Iterator[Finding]:
    """Yield who may come, how long the certificate is valid, whether the port is free, and how a running suite is."""
    yield rules.auth_finding(up.address, up.auth, up.unguarded)
    if up.tls_cert is not None:
        certificate = x509.load_pem_x509_certificate(up.tls_cert.expanduser().read_bytes())
        yield rules.certificate_finding(certificate.not_valid_after_utc, datetime.now(UTC))
    why_not, health = None, Health()
    try:
        open_listener(up.address, up.port).close()
    except CannotListen as error:
        why_not = str(error)
        tls = up.tls_cert is not None
        try:
            health = ask_health(url_at(up.address, up.port, tls=tls), 5.0, tls=launchers_tls() if tls else None)
        except CliError as refused:
            why_not = f"{why_not}; {refused}"
    yield rules.port_finding(up.address, up.port, why_not, health.status)
    if health.status:
        yield rules.health_finding(health.status, health.unready())


def _model(name: str, folder: Path, level: Level) -> Finding:
    try:
        if is_users_own(name):
            return Finding("model", Level.OK, f"{name}, in {resolve(name, folder)}, with no digest to compare")
        return Finding("model", Level.OK, f"{name}, in {verify(name, folder)}, with its publisher's digest")
    except ModelError as error:
        return Finding("model", level, str(error))
