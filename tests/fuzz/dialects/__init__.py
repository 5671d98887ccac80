"""Malformed messages to the dialects and bridges, by the name that the command line has for each."""

from collections.abc import Mapping

from fuzz.dialects.bridges import audiosocket, wyoming
from fuzz.dialects.deepgram import deepgram
from fuzz.dialects.frame import Attacker
from fuzz.dialects.openai_realtime import openai_realtime
from fuzz.dialects.telephony import asterisk_message, freeswitch_message, telephony, twilio_message

DIALECTS: Mapping[str, Attacker] = {
    "openai-realtime": openai_realtime,
    "deepgram": deepgram,
    "twilio": telephony("/v1/twilio", twilio_message),
    "asterisk": telephony("/v1/asterisk", asterisk_message),
    "freeswitch": telephony("/v1/freeswitch", freeswitch_message),
    "wyoming": wyoming,
    "audiosocket": audiosocket,
}
