#!/usr/bin/env python3
"""Requests and connections that must not be let in: every route of a gateway with AUTH=keys, HTTP and WebSocket, with
no credential and with malformed, unknown, wrong, mutated, revoked, expired and forged ones, and with a key that lacks
the route's scopes. Prints how many were let in, and exits with status 1 if it is not 0.

The routes are those of the app itself. A key of another tenant is let in and finds nothing: that is a matter of
tests/contract/gateway/test_tenants.py.
"""

import argparse
import asyncio
import random
import string
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from common import write_result
from support.gateway_harness import running_gateway
from support.key_samples import guarded_routes, open_key_store, stored_key
from support.keyed_gateway import MUTE, bearer, outcome

from stt_cli.up.embedded_redis import EmbeddedRedis
from stt_gateway.core.requests.api_key import WrittenKey
from stt_gateway.core.requests.principal import Scope
from stt_gateway.store.api_keys import KeyStore
from stt_shared.process.clock import wall_ms
from stt_shared.redis.client import connect

LETTERS = string.ascii_letters + string.digits + "-_"


class Credentials:
    """Credentials of each kind that is refused everywhere, and keys that lack the scopes of one route."""

    def __init__(self, store: KeyStore, random_: random.Random) -> None:
        self._store = store
        self._random = random_
        self._lacking: dict[tuple[Scope, ...], str] = {}
        self.kinds: dict[str, Callable[[], str]] = {}

    async def make(self) -> None:
        """Store the keys that the credentials are made from."""
        now_ms = int(wall_ms())
        whole = await stored_key(self._store, *Scope)
        revoked = await stored_key(self._store, *Scope, revoked_ms=now_ms)
        expired = await stored_key(self._store, *Scope, expires_ms=now_ms)
        self.kinds = {
            "none": lambda: "",
            "malformed": lambda: self._letters(self._random.randint(1, 90)),
            "unknown": lambda: WrittenKey(self._letters(12), self._letters(43)).text,
            "wrong": lambda: WrittenKey(whole.id, self._letters(43)).text,
            "mutated": lambda: self._mutated(whole.text),
            "revoked": lambda: revoked.text,
            "expired": lambda: expired.text,
            "forged token": lambda: f"stt1.{self._letters(40)}.{self._letters(43)}",
        }

    async def lacking(self, scopes: tuple[Scope, ...]) -> str | None:
        """Return a key with all scopes but these; None if there are no others."""
        others = set(Scope) - set(scopes)
        if others and scopes not in self._lacking:
            self._lacking[scopes] = (await stored_key(self._store, *others)).text
        return self._lacking.get(scopes)

    def _letters(self, count: int) -> str:
        return "".join(self._random.choices(LETTERS, k=count))

    def _mutated(self, key: str) -> str:
        text = list(key)
        while "".join(text) == key:
            text[self._random.randrange(len(text))] = self._random.choice(LETTERS)
        return "".join(text)


def is_refused(path: str, code: int, error: str) -> bool:
    """Return whether the answer refuses a client; viewers and callers without errors learn it by the close code."""
    return error in ("unauthorized", "forbidden") or (path in MUTE and code in (4510, 4511))


async def run(count: int, at_once: int, seed: int) -> dict[str, object]:
    random_ = random.Random(seed)
    routes = list(guarded_routes())
    tried: Counter[str] = Counter()
    let_in: Counter[str] = Counter()
    with EmbeddedRedis() as server, tempfile.TemporaryDirectory() as made:
        client, folder = connect(server.url), Path(made)
        store = await open_key_store(folder / "spool-data")
        credentials = Credentials(store, random_)
        await credentials.make()
        async with running_gateway(
            client,
            server.url,
            folder / "spool",
            auth="keys",
            database_url=f"sqlite:///{folder / 'spool-data' / 'transcripts.db'}",
            max_auth_failures_per_minute=0,
        ) as gateway:
            numbers = iter(range(count))

            async def intrude() -> None:
                for number in numbers:
                    method, path, scopes = routes[number % len(routes)]
                    kind = random_.choice([*credentials.kinds, "too few scopes"])
                    lacking = await credentials.lacking(scopes) if kind == "too few scopes" else None
                    if kind == "too few scopes" and lacking is None:
                        kind = "none"
                    credential = lacking or credentials.kinds[kind]()
                    code, error = await outcome(gateway, method, path, bearer(credential) if credential else {})
                    tried[kind] += 1
                    if not is_refused(path, code, error):
                        let_in[f"{method} {path}, {kind}: {code} {error}"] += 1
                    if number % 5000 == 4999:
                        print(f"{number + 1} tried, {sum(let_in.values())} let in", file=sys.stderr)

            began = time.monotonic()
            await asyncio.gather(*(intrude() for _ in range(at_once)))
            took_s = time.monotonic() - began
        await store.close()
        await client.aclose()
    return {
        "routes": len(routes),
        "websockets": sum(method == "WS" for method, _, _ in routes),
        "tried": dict(tried),
        "all": sum(tried.values()),
        "let_in": dict(let_in),
        "seconds": round(took_s, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000, help="requests and connections in all")
    parser.add_argument("--at-once", type=int, default=16, help="how many at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", help="file for the result as JSON")
    given = parser.parse_args()
    result = asyncio.run(run(given.count, given.at_once, given.seed))
    write_result(given.out, "intruders", result)
    sys.exit(1 if result["let_in"] else 0)


if __name__ == "__main__":
    main()
