"""Messages of telephony as its servers send them."""

import base64
import json
from typing import Any

CALL = "CA0123456789abcdef0123456789abcdef"
STREAM = "MZ0123456789abcdef0123456789abcdef"
CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'
STOP = json.dumps({"event": "stop", "sequenceNumber": "9", "stop": {"callSid": CALL}, "streamSid": STREAM})
"""Of Twilio."""


def start(custom: dict[str, Any] | None = None, **changes: Any) -> str:
    """Twilio's description of a call, with these custom parameters, and with other values where ``changes`` says so."""
    described = {
        "accountSid": "AC0",
        "streamSid": STREAM,
        "callSid": CALL,
        "tracks": ["inbound", "outbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": custom or {},
        **changes,
    }
    return json.dumps({"event": "start", "sequenceNumber": "1", "start": described, "streamSid": STREAM})


def media(track: str, at_ms: int, audio: bytes) -> str:
    """Twilio's audio of a track, in mu-law."""
    payload = base64.b64encode(audio).decode()
    inner = {"track": track, "chunk": "1", "timestamp": str(at_ms), "payload": payload}
    return json.dumps({"event": "media", "sequenceNumber": "4", "media": inner, "streamSid": STREAM})


def media_start(format: str = "ulaw", channel_id: str = "1733000000.15") -> str:
    """Asterisk's description of a channel."""
    return (
        f"MEDIA_START connection_id:3b1c channel:WebSocket/stt/0x7f channel_id:{channel_id} format:{format} "
        "optimal_frame_size:160 ptime:20"
    )


OPENINGS: dict[str, list[str | bytes]] = {
    "/v1/twilio": [CONNECTED, start()],
    "/v1/asterisk": [media_start()],
    "/v1/freeswitch": [""],
}
"""By address: what a client says before its session begins."""
