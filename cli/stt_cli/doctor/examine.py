"""The examination: asks each part as the services do at their start, and lets the rules judge what it says."""

from collections.abc import Iterator

from pydantic_settings import BaseSettings

from stt_audio.settings import AudioSettings
from stt_cli.doctor import machine, redis_server, store, suite
from stt_cli.errors import CliError
from stt_cli.up.settings import UpSettings, load_up_settings
from stt_gateway.settings import GatewaySettings
from stt_shared.contracts.findings import Finding, Level
from stt_shared.process.settings import UnusableSettings, read_settings
from stt_transcriber.settings import TranscriberSettings

_OTHERS: tuple[type[BaseSettings], ...] = (AudioSettings, TranscriberSettings)


def examine() -> Iterator[Finding]:
    """Yield the findings about this installation, with the settings of the environment and `.env`."""
    try:
        up = load_up_settings({})
        gateway = read_settings(GatewaySettings)
        for kind in _OTHERS:
            read_settings(kind)
    except (CliError, UnusableSettings) as error:
        yield Finding("settings", Level.ERROR, str(error), "correct the variable, in the environment or in .env")
        return
    yield Finding("settings", Level.OK, "all are allowed")
    yield from _parts(up, gateway)


def _parts(up: UpSettings, gateway: GatewaySettings) -> Iterator[Finding]:
    yield from machine.findings(up, gateway)
    yield from suite.model_findings(up)
    yield from redis_server.findings(up.redis_url)
    yield from store.findings(up)
    yield from suite.access_findings(up)
