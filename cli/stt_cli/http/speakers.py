"""Known speakers over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from stt_cli.errors import CliError
from stt_cli.http.client import checked, http_client, opened
from stt_cli.http.server import unreachable

_ROUTE = "/v1/stt/speakers"
_ENROLMENT_S = 150.0
"""Longest wait for an enrolment; the suite itself gives up earlier."""


class Speaker(msgspec.Struct, frozen=True):
    """A known speaker; ``created_at`` is ISO 8601."""

    id: str
    name: str
    created_at: str


class SpeakersClient:
    """Client for the known speakers of one suite. Its methods raise CliError."""

    def __init__(self, url: str, http: httpx2.Client) -> None:
        self._url = url
        self._http = http

    def all(self) -> list[Speaker]:
        """Return all known speakers, by name."""
        answer = self._answer("GET", _ROUTE)
        return [self._speaker(one) for one in answer.get("speakers", [])]

    def enrol(self, name: str, path: Path) -> Speaker:
        """Enrol a voice from a recording."""
        with opened(path) as file:
            part = (path.name, file, "application/octet-stream")
            return self._speaker(self._answer("POST", _ROUTE, data={"name": name}, files={"file": part}))

    def rename(self, speaker: str, name: str) -> Speaker:
        """Give a speaker, named by the name or the id, another name."""
        return self._speaker(self._answer("PATCH", f"{_ROUTE}/{self._found(speaker).id}", json={"name": name}))

    def delete(self, speaker: str) -> Speaker:
        """Delete a speaker and the voice for good; return who it was."""
        found = self._found(speaker)
        response = self._request("DELETE", f"{_ROUTE}/{found.id}")
        if not response.is_success:
            checked(response)
        return found

    def _found(self, speaker: str) -> Speaker:
        known = self.all()
        # A name may look like the id of somebody else.
        for field in ("name", "id"):
            for one in known:
                if getattr(one, field) == speaker:
                    return one
        raise CliError(f"nobody is known as {speaker!r}; `stt speakers list` shows who is")

    def _speaker(self, answer: object) -> Speaker:
        try:
            return msgspec.convert(answer, Speaker)
        except msgspec.ValidationError as error:
            raise CliError(f"{self._url} does not answer as this suite does: {error}") from None

    def _answer(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        return checked(self._request(method, path, **content))

    def _request(self, method: str, path: str, **content: Any) -> httpx2.Response:
        try:
            return self._http.request(method, path, **content)
        except httpx2.TransportError as error:
            raise unreachable(self._url, error) from None


@contextmanager
def speakers_client(url: str) -> Iterator[SpeakersClient]:
    """Open a client with its own connections."""
    with http_client(url, _ENROLMENT_S) as http:
        yield SpeakersClient(url, http)
