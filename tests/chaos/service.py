"""``python -m chaos.service SERVICE``: a service as shipped, but for three things.

Its engine `instant` is the oracle; its wall clock goes wrong by the seconds that stand in the file CHAOS_CLOCK; and the
mechanisms that CHAOS_WITHOUT names are switched off (chaos/twins.py).
"""

import importlib
import os
import sys
import time
from pathlib import Path

MODULES = {"gateway": "stt_gateway", "audio-processor": "stt_audio", "transcriber": "stt_transcriber"}


def main() -> None:
    service = sys.argv[1]
    if "CHAOS_CLOCK" in os.environ:
        # Before anything else is imported, so that nobody holds on to the right clock.
        _falsify_clock(Path(os.environ["CHAOS_CLOCK"]))
    if service == "transcriber":
        load = importlib.import_module("stt_transcriber.engines.registry")
        # A setting may only name an engine of the product: the oracle stands in for the one that nobody uses.
        load.ENGINES["instant"] = "chaos.oracle"
    twins = importlib.import_module("chaos.twins")
    for mechanism in os.environ.get("CHAOS_WITHOUT", "").split():
        twins.SWITCH_OFF[mechanism]()
    importlib.import_module(f"{MODULES[service]}.__main__").main()


def _falsify_clock(offset: Path) -> None:
    right_time, right_time_ns = time.time, time.time_ns
    time.time = lambda: right_time() + float(offset.read_text())
    time.time_ns = lambda: right_time_ns() + int(float(offset.read_text()) * 1e9)


if __name__ == "__main__":
    main()
