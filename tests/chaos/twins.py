"""Mechanisms that a service can be started without, to show that the count finds what they prevent."""

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

from stt_shared.redis.channels import ChannelHub
from stt_shared.redis.pipeline import LuaFunction
from stt_shared.streams.reader import LogReader


def _without_lines(answer: str) -> Callable[[], None]:
    """Takes the lines that give this answer out of every atomic function."""

    def switch_off() -> None:
        original = LuaFunction.of.__func__  # type: ignore[attr-defined]
        line = re.compile(rf"(?m)^.*return \{{'{answer}'.*$")

        def of(kind: type[LuaFunction], source: str) -> LuaFunction:
            changed: LuaFunction = original(kind, line.sub("", source))
            return changed

        LuaFunction.of = classmethod(of)  # type: ignore[assignment, method-assign]

    return switch_off


def _without_log() -> None:
    """Only live messages, as plain pub/sub: nobody reads the log, and what is missing is passed over."""

    async def nothing(self: LogReader[Any]) -> AsyncIterator[Any]:
        nothing_at_all: tuple[Any, ...] = ()
        for item in nothing_at_all:
            yield item

    def advance(self: LogReader[Any], seq: int) -> None:
        self.position = seq

    LogReader._logged = nothing  # type: ignore[method-assign]
    LogReader._advance = advance  # type: ignore[method-assign]


def _without_probe() -> None:
    assert ChannelHub.__init__.__kwdefaults__ is not None
    ChannelHub.__init__.__kwdefaults__["probes"] = False


SWITCH_OFF: dict[str, Callable[[], None]] = {
    "fence": _without_lines("fenced"),
    "duplicate-check": _without_lines("duplicate"),
    "log": _without_log,
    "probe": _without_probe,
}
