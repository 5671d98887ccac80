"""The older API: the same events, other names in the query, and one conversation for everybody."""

from collections.abc import Iterable, Sequence

import msgspec

from stt_gateway.core.requests.session_request import Defaults, SessionRequest
from stt_gateway.dialects.native import NativeDialect, said_view
from stt_shared.contracts.conversation import Utterance

CONVERSATION = "default"
_NAMES = {"sampleRate": "sample_rate"}


class LegacyDialect(NativeDialect):
    """``WS /api/stt/transcribe``."""

    def parse_query(self, pairs: Sequence[tuple[str, str]], defaults: Defaults) -> SessionRequest:
        """Parse the query: of a name given twice the last value counts. Raises SttError bad_config."""
        given = [(_NAMES.get(name, name), value) for name, value in dict(pairs).items()]
        if all(name != "conversation_id" for name, _ in given):
            given.append(("conversation_id", CONVERSATION))
        return super().parse_query(given, defaults)


LEGACY = LegacyDialect()


def utterance_list(utterances: Iterable[Utterance]) -> str:
    """Return the message of ``WS /api/stt/connect``: a list of utterances."""
    return msgspec.json.encode([said_view(utterance) for utterance in utterances]).decode()
