"""Malformed messages to the dialects, by the name that the command line has for each."""

from collections.abc import Mapping

from fuzz.dialects.deepgram import deepgram
from fuzz.dialects.frame import Attacker
from fuzz.dialects.openai_realtime import openai_realtime

DIALECTS: Mapping[str, Attacker] = {"openai-realtime": openai_realtime, "deepgram": deepgram}
