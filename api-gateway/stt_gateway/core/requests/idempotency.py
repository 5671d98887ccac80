"""Validation of ``Idempotency-Key``, and the fingerprint that identifies equal requests."""

import hashlib
import json
import re
from collections.abc import Sequence

from stt_gateway.core.requests.job_request import JobRequest
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.makers import LOCAL_MAKER, Maker
from stt_shared.contracts.session import ChannelMode, Fillers

_KEY = re.compile(r"[!-~]{1,255}")


def idempotency_key(given: Sequence[str]) -> str | None:
    """Return the key from the values of the header; None without the header. Raises SttError bad_config."""
    if not given:
        return None
    if len(given) > 1:
        raise SttError("bad_config", "Idempotency-Key is given twice; once is allowed")
    if not _KEY.fullmatch(given[0]):
        raise SttError("bad_config", "Idempotency-Key must be 1 to 255 visible ASCII characters")
    return given[0]


def request_hash(maker: Maker, key: str) -> str:
    """Return the name of the request that a maker has sent under an ``Idempotency-Key``, each of which has its own."""
    # NUL cannot be in a header.
    owner = "" if maker == LOCAL_MAKER else f"{maker.tenant}\0{maker.key_id}\0"
    return hashlib.sha256((owner + key).encode()).hexdigest()


def fingerprint(options: JobRequest, files: Sequence[str]) -> str:
    """Hash the options and the files' SHA-256 in order; file names are left out, since they do not affect the work."""
    asked = [options.language, options.task.value, options.prompt, *files]
    if options.track is not None:  # without it, fingerprints are those that stored transcripts have
        asked.append(f"track={options.track}")
    if options.languages:
        asked.append("languages=" + ",".join(options.languages))
    if options.channel_mode is not ChannelMode.MIX:
        asked.append(f"channel_mode={options.channel_mode}")
    if options.keyterms:
        asked.append(f"keyterms={json.dumps(options.keyterms)}")
    if options.speakers:
        asked.append(f"speakers={options.speakers.least}-{options.speakers.most}")
    if options.known_speakers:
        asked.append("known_speakers")
    if options.replacements:
        asked.append(f"replacements={json.dumps(options.replacements, sort_keys=True)}")
    if options.fillers is not Fillers.KEEP:
        asked.append(f"fillers={options.fillers}")
    if options.redact or options.redact_patterns:
        asked.append(f"redact={json.dumps([options.redact, options.redact_patterns])}")
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()
