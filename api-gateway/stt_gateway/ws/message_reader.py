"""Reader of a live client's messages."""

from stt_gateway.core.live.messages import Foreign, ForeignMessage, Message
from stt_gateway.core.requests.parameters import quoted
from stt_gateway.core.requests.session_request import SessionRequest
from stt_gateway.dialects.base import Dialect
from stt_gateway.live.client_socket import ClientSocket
from stt_shared.contracts.errors import SttError
from stt_shared.streams.keys import is_valid_id

ID_RULE = "an id is 1 to 128 letters, digits and . _ : @ -"


class MessageReader:
    """Messages of one connection, parsed by its dialect."""

    def __init__(self, client: ClientSocket, dialect: Dialect, request: SessionRequest, max_bytes: int) -> None:
        self._client = client
        self._dialect = dialect
        self._request = request
        self._max_bytes = max_bytes

    async def next(self) -> Message:
        """Return the next message. Raises ClientGone, or SttError for a message that is not allowed."""
        data = await self._client.receive()
        try:
            message = self._dialect.parse_message(data, self._request, self._max_bytes)
        except ForeignMessage as error:
            return Foreign(error=error)
        if message.session_id is not None and not is_valid_id(message.session_id):
            raise SttError("bad_message", f"session_id {quoted(message.session_id)}; {ID_RULE}")
        return message
