"""Wyoming, the protocol of Home Assistant for voice: each stretch of audio is a live session of the suite."""

import asyncio
import sys

import stt_client
from stt_cli.bridge.suite import BridgedSuite
from stt_cli.bridge.tcp import TcpClient
from stt_cli.bridge.wyoming_request import AudioFormat, Refusal, Transcribe, audio_format, info_of, transcribe
from stt_cli.bridge.wyoming_wire import MAX_HEADER_BYTES, Message, WireError, encoded, header_of, message_of
from stt_client.text import join_texts

IDLE_S = 300.0
SILENT_S = 60.0
"""Time after which audio counts as ended whose client sends no more of it."""
FULL = encoded("error", {"text": "the bridge has too many clients; try again later", "code": "at_capacity"})


class WyomingConnection:
    """One client: it may describe, ping, and have any number of stretches of audio transcribed, one after another."""

    def __init__(self, client: TcpClient, suite: BridgedSuite, version: str) -> None:
        self._client = client
        self._suite = suite
        self._version = version
        self._asked = Transcribe()
        self._format: AudioFormat | None = None
        self._session: stt_client.LiveSession | None = None
        self._telling: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve the client to its end; an error is sent to it, then the connection is closed."""
        refusal = None
        try:
            async with asyncio.TaskGroup() as tasks:
                while message := await self._next():
                    await self._handle(message, tasks)
                # Whoever closes without `audio-stop` has said what it has said.
                await self._end_audio()
        except* WireError as group:
            refusal = Refusal("bad_message", str(group.exceptions[0]))
        except* stt_client.SessionError as group:
            error = next(error for error in group.exceptions if isinstance(error, stt_client.SessionError))
            refusal = Refusal(error.code, error.message)
        finally:
            if self._session is not None:
                await self._session.close()
        if refusal is not None:
            print(f"{self._client.address}: {refusal.text} ({refusal.code})", file=sys.stderr, flush=True)
            await self._client.send(encoded("error", refusal._asdict()))

    async def _next(self) -> Message | None:
        return await self._client.read(_read(self._client.reader), idle_s=SILENT_S if self._session else IDLE_S)

    async def _handle(self, message: Message, tasks: asyncio.TaskGroup) -> None:
        match message.type:
            case "describe":
                await self._describe()
            case "transcribe":
                self._asked = transcribe(message)
            case "audio-start":
                self._check_format(audio_format(message))
            case "audio-chunk":
                await self._hear(message, tasks)
            case "audio-stop":
                await self._end_audio(is_asked=True)
            case "ping":
                await self._client.send(encoded("pong", {"text": message.data.get("text")}))
            # Others are for other services, or newer than this one: they are to be ignored.

    async def _describe(self) -> None:
        info = info_of(await self._suite.health(), self._suite.parameters, self._version)
        if isinstance(info, Refusal):
            raise stt_client.SessionError(*info)
        await self._client.send(encoded("info", info))

    def _check_format(self, given: AudioFormat) -> None:
        if self._session is not None and given != self._format:
            raise WireError(f"audio of {given} amid audio of {self._format}")
        self._format = given

    async def _hear(self, message: Message, tasks: asyncio.TaskGroup) -> None:
        self._check_format(given := audio_format(message))
        if not message.payload:
            return
        if self._session is None:
            parameters = self._asked.parameters(self._suite.parameters)
            session = self._suite.session(given.rate, given.channels, parameters)
            self._session = await session.__aenter__()
            self._telling = tasks.create_task(self._tell(session))
        await self._session.send(message.payload)

    async def _end_audio(self, *, is_asked: bool = False) -> None:
        """Finish the stretch of audio; the transcript is there when this returns. Raises SessionError."""
        if self._session is not None and self._telling is not None:
            await self._session.stop()
            await asyncio.wait({self._telling})
            self._telling.result()
            await self._session.close()
        elif is_asked:
            await self._send_transcript("", None)
        self._session = self._telling = self._format = None
        self._asked = Transcribe()

    async def _tell(self, session: stt_client.LiveSession) -> None:
        """Send each final as a chunk of the transcript, and the transcript at the end. Raises SessionError."""
        text, language = "", None
        async for event in session:
            if event["type"] == "final":
                if not text:
                    language = event.get("language")
                    await self._client.send(encoded("transcript-start", {"language": language}))
                # Only finals, so that the chunks are the transcript: words before it may still be revised.
                longer = join_texts([text, event["text"]])
                await self._client.send(encoded("transcript-chunk", {"text": longer[len(text) :]}))
                text = longer
        await self._send_transcript(text, language)

    async def _send_transcript(self, text: str, language: str | None) -> None:
        start = b"" if text else encoded("transcript-start")
        transcript = encoded("transcript", {"text": text} | ({"language": language} if language else {}))
        await self._client.send(start + transcript + encoded("transcript-stop"))


async def _read(reader: asyncio.StreamReader) -> Message | None:
    """Read a message; None at the end. Raises WireError, and IncompleteReadError amid a message."""
    try:
        line = await reader.readline()
    except ValueError:
        raise WireError(f"a line of more than {MAX_HEADER_BYTES} bytes") from None
    if not line:
        return None
    header = header_of(line)
    data = await reader.readexactly(header.data_length or 0)
    payload = await reader.readexactly(header.payload_length or 0)
    return message_of(header, data, payload)
