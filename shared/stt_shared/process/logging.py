"""Structured logs: one JSON object per line on stderr. Never audio, transcript text, prompts, names or headers."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

MAX_ERROR_CHARS = 200
"""Maximum logged length of an exception's message, of which only the first line is logged: databases repeat whole rows
after it."""


def set_up_logging(service: str, level: str) -> None:
    """Route structlog and the standard library's loggers (uvicorn, redis) through one JSON formatter.

    ``level`` applies to the suite's own events. Libraries log from WARNING on at any level, because below it they log
    statements and messages, which contain what people said.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Without locals, because they contain headers, prompts and audio.
        structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False, use_rich=False)
        ),
        _shorten_errors,
        _hide_credentials,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
    # Access lines contain query strings, which may contain prompts.
    logging.getLogger("uvicorn.access").disabled = True


_CREDENTIAL = re.compile(r"(stt_[0-9A-Za-z]{12}_|stt1\.)[0-9A-Za-z_.-]+")
"""API keys and access tokens (api-gateway/stt_gateway/core/requests/), should anything ever log them."""


def _hide_credentials(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        event[name] = _hidden(value)
    return event


def _hidden(value: Any) -> Any:
    match value:
        case str():
            return _CREDENTIAL.sub(r"\1***", value)
        case dict():
            return {name: _hidden(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_hidden(inner) for inner in value]
    return value


def unfiltered_logger() -> Any:
    """Return a logger whose events are written whatever LOG_LEVEL is. Call it after ``set_up_logging``."""
    return structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=structlog.get_config()["processors"],
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
    )


def _shorten_errors(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for stack in event.get("exception", ()):
        _shorten(stack)
    return event


def _shorten(stack: dict[str, Any]) -> None:
    stack["exc_value"] = stack["exc_value"].partition("\n")[0][:MAX_ERROR_CHARS]
    stack["exc_notes"] = []
    for group in stack["exceptions"]:
        for inner in group:
            _shorten(inner)
