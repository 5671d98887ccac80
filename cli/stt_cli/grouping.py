"""Groups of options: a command takes one as a value, and each field of it is an option of the command."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any


class OptionGroup:
    """Base of the dataclasses whose fields are options, annotated as a command's parameters are."""


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let the parameters of a command that are an ``OptionGroup`` be given as the options in it."""
    parameters = inspect.signature(command, eval_str=True).parameters.values()
    groups: dict[str, Any] = {
        one.name: one.annotation
        for one in parameters
        if inspect.isclass(one.annotation) and issubclass(one.annotation, OptionGroup)
    }

    @functools.wraps(command)
    def run(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        command(**given)

    options = [
        option.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for one in parameters
        for option in (
            inspect.signature(groups[one.name], eval_str=True).parameters.values() if one.name in groups else (one,)
        )
    ]
    run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    run.__annotations__ = {option.name: option.annotation for option in options}
    return run
