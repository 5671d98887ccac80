"""Audio as base64, as many write it."""

import binascii

_TO_BASE64 = str.maketrans({"-": "+", "_": "/", **dict.fromkeys(" \t\r\n")})
"""From the alphabet for URLs to the usual one, without line breaks."""


def base64_bytes(text: str) -> bytes:
    """Decode base64: also a data URL, the alphabet for URLs, without padding, with line breaks. Raises ValueError."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    letters = text.translate(_TO_BASE64).rstrip("=")
    return binascii.a2b_base64(letters + "=" * (-len(letters) % 4), strict_mode=True)
