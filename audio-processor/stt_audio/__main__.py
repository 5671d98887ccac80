"""Entry point of `stt-audio-processor`, with settings from the environment."""

import asyncio
import sys
from collections.abc import Callable

from stt_audio.app import run
from stt_audio.live.sessions import SERVICE
from stt_audio.settings import AudioSettings
from stt_shared.process.logging import set_up_logging
from stt_shared.process.settings import load_settings
from stt_shared.redis.outage import UNREACHABLE


def main() -> None:
    """Run until SIGTERM or SIGINT; exit with 1 when Redis is unreachable or the spool folder cannot be created."""
    settings = load_settings(AudioSettings)
    set_up_logging(SERVICE, settings.log_level)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(run(settings))
    except (*UNREACHABLE, OSError) as error:
        sys.exit(f"error: {error}")


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    main()
