"""Lua functions, one file each. The header of each file documents its keys, arguments and replies."""

from importlib import resources

from stt_shared.redis.pipeline import LuaFunction


def script(name: str) -> LuaFunction:
    """Load ``scripts/<name>.lua``."""
    return LuaFunction.of(resources.files(__name__).joinpath(f"{name}.lua").read_text())
