"""The suite behind a bridge."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import stt_client
from stt_cli.http.api_key import api_key
from stt_cli.http.readiness import Health, ask_health
from stt_cli.http.tls import client_tls

_HEALTH_S = 5.0


@dataclass(frozen=True)
class BridgedSuite:
    """Address of a suite, and the parameters of every session that a bridge opens there."""

    url: str
    parameters: Mapping[str, str]

    def session(
        self, sample_rate: int, channels: int, parameters: Mapping[str, str], session_id: str | None = None
    ) -> stt_client.LiveSession:
        """Return a session for samples in s16le; ``parameters`` replace those of every session."""
        return stt_client.connect(
            self.url,
            sample_rate=sample_rate,
            channels=channels,
            parameters=parameters,
            session_id=session_id,
            api_key=api_key(),
            tls=client_tls() if self.url.startswith("https") else None,
        )

    async def health(self) -> Health:
        """Ask for the health of the suite."""
        return await asyncio.to_thread(ask_health, self.url, _HEALTH_S)
