"""A session changes hands on a real server: the PCM log is what one undisturbed decoder would have written."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from io import BytesIO
from typing import Any

import av
import msgspec
import numpy as np
import pytest
from redis.asyncio import Redis
from support.encoders import encoded_channels
from support.two_talkers import one, other
from support.wiring import bus_on, open_bus, read_state

from stt_audio.codecs import restart_points
from stt_audio.codecs.restart_points import OPUS_PREROLL_S
from stt_audio.live import pipeline
from stt_audio.live.progress import Progress
from stt_audio.live.sessions import LiveSessions
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta, IngestPosition, StreamError, frame_from_entry
from stt_shared.contracts.session import ChannelMode, Encoding, SessionConfig, TakeoverState, encode_json
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.streams import keys
from stt_shared.streams.keys import StreamKeys, session_keys
from stt_shared.streams.ownership import Ownership, WriteResult
from stt_shared.streams.session_state import SessionState
from stt_shared.streams.sessions import MAX_INGEST_LOG_BYTES, Commit
from stt_shared.work.stage import Assignment

pytestmark = pytest.mark.contract

LIVE_WEBM = {"live": "1", "cluster_time_limit": "30000", "cluster_size_limit": "100000000"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "200000"}


def stream(container: str, codec: str, rate: int, duration_s: float = 7.0, **options: str) -> bytes:
    """Noise that swells and ebbs, so that no stretch is like another."""
    n_samples = int(rate * duration_s)
    loud = 5000 * (1 + np.sin(np.arange(n_samples) * 7 / rate))
    noise = (np.random.default_rng(0).normal(0, 0.4, n_samples) * loud).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(noise[None, :], "s16", "mono")
    frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
    file = BytesIO()
    with av.open(file, "w", format=container, options=options) as output:
        added = output.add_stream(codec, rate=rate, layout="mono", options={"aac_pns": "0"} if codec == "aac" else {})
        resampler = av.AudioResampler(added.codec_context.format, "mono", rate, added.codec_context.frame_size or 960)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(added.encode(piece))
        output.mux([packet for packet in added.encode(None) if packet.size])
    return file.getvalue()


def in_pieces(data: bytes, n: int) -> list[bytes]:
    size = -(-len(data) // n)
    return [data[start : start + size] for start in range(0, len(data), size)]


class Session:
    """One session with its gateway's hands; its decoders come and go."""

    def __init__(self, client: Redis, live: LiveSessions, at: StreamKeys) -> None:
        self.client = client
        self.bus = bus_on(client)
        self.at = at
        self._live = live
        self._n_sent = 0
        self._owner = ""

    async def open(self, config: SessionConfig) -> None:
        await self.bus.sessions.open(self.at, "e1", encode_json(config), 0, keys.SESSION_TTL_S)

    async def send(self, data: bytes = b"", kind: FrameKind = FrameKind.AUDIO) -> int:
        self._n_sent += 1
        frame = Frame(self._n_sent, kind, data, FrameMeta(received_ms=1000.0 + self._n_sent))
        assert await self.bus.sessions.append_audio(Ownership(self.at, "e1"), frame) is WriteResult.OK
        return self._n_sent

    async def assign(self) -> Assignment:
        follows, self._owner = self._owner, f"{self._owner}+"
        owner = await self.bus.sessions.claim(self.at, "e1", keys.STAGE_AUDIO, self._owner, follows)
        assert owner is not None
        return Assignment(owner, await read_state(self.client, self.at))

    @contextlib.asynccontextmanager
    async def decoder(self) -> AsyncIterator["asyncio.Task[None]"]:
        task = asyncio.create_task(self._live.handle(await self.assign()))
        try:
            yield task
        finally:
            await cancel_and_wait(task)

    async def log(self) -> list[Frame]:
        entries: Any = await self.client.xrange(self.at.pcm_log)
        return [frame_from_entry(int(entry_id.partition(b"-")[0]), fields) for entry_id, fields in entries]

    async def field(self, name: str) -> int:
        return int(await self.client.hget(self.at.state, name) or 0)

    async def consumed(self, seq: int) -> None:
        async with asyncio.timeout(5):
            while await self.field("consumed_seq") < seq:
                await asyncio.sleep(0.002)

    async def written(self) -> bytes:
        """The audio of the log, which must have no seam."""
        frames, position = await self.log(), await self.field("start_samples")
        assert [frame.seq for frame in frames] == list(range(1, len(frames) + 1))
        for frame in frames:
            assert frame.meta.start_sample == position
            position += len(frame.data) // (2 * max(1, len(frame.meta.channels)))
        assert frames[-1].kind is FrameKind.STOP
        assert not frames[-1].meta.error, frames[-1].meta.error
        return b"".join(frame.data for frame in frames)


class Bench:
    """Opens sessions of one replica's kind."""

    def __init__(self, client: Redis, live: LiveSessions) -> None:
        self.client = client
        self.live = live
        self._numbers = itertools.count()

    async def session(self, config: SessionConfig) -> Session:
        session = self.newest = Session(self.client, self.live, session_keys(f"s{next(self._numbers)}"))
        await session.open(config)
        return session

    async def talk(self, config: SessionConfig, pieces: list[bytes], lost_after: tuple[int, ...] = ()) -> bytes:
        """Sends ``pieces``; after those of ``lost_after`` the decoder is cut off, wherever it just is."""
        session = await self.session(config)
        begin = 0
        for end in (*(number + 1 for number in lost_after), len(pieces)):
            async with session.decoder() as decoding:
                for piece in pieces[begin:end]:
                    seq = await session.send(piece)
                    await asyncio.sleep(0.001)
                if end == len(pieces):
                    await session.send(kind=FrameKind.STOP)
                    async with asyncio.timeout(20):
                        await decoding
                elif end % 2:
                    await session.consumed(seq - 2)
            begin = end
        return await session.written()


@pytest.fixture
async def bench(redis_client: Redis) -> AsyncIterator[Bench]:
    async with open_bus(redis_client) as bus:
        with ThreadPoolExecutor(2) as executor:
            yield Bench(redis_client, LiveSessions(bus, executor, 16000 * 3600))


STREAMS = [
    pytest.param(Encoding.WEBM, ("webm", "libopus", 48000), LIVE_WEBM, id="webm"),
    pytest.param(Encoding.OGG, ("ogg", "libopus", 48000), {}, id="ogg"),
    pytest.param(Encoding.MP3, ("mp3", "libmp3lame", 44100), {}, id="mp3"),
    pytest.param(Encoding.FLAC, ("flac", "flac", 16000), {}, id="flac"),
    pytest.param(Encoding.AAC, ("adts", "aac", 44100), {}, id="adts"),
    pytest.param(Encoding.AAC, ("mp4", "aac", 44100), FRAGMENTS, id="fragmented mp4"),
    pytest.param(Encoding.WAV, ("wav", "pcm_s16le", 44100), {}, id="wav"),
    pytest.param(Encoding.AUTO, ("wav", "pcm_s16le", 16000), {}, id="wav 16k"),
    pytest.param(Encoding.AUTO, ("mpegts", "aac", 44100), {}, id="mpeg-ts"),
    pytest.param(Encoding.AUTO, ("flv", "aac", 44100), {}, id="flv"),
    pytest.param(Encoding.AUTO, ("amr", "libopencore_amrnb", 8000), {}, id="amr"),
    pytest.param(Encoding.AUTO, ("au", "pcm_s16be", 44100), {}, id="au"),
]


@pytest.mark.parametrize(("encoding", "how", "options"), STREAMS)
async def test_decoders_come_and_go_and_nobody_can_tell(
    encoding: Encoding, how: tuple[str, str, int], options: dict[str, str], bench: Bench
) -> None:
    duration_s = 12.0 if how[1] == "libopus" else 7.0
    pieces = in_pieces(stream(*how, duration_s=duration_s, **options), 28)
    alone = await bench.talk(SessionConfig(encoding=encoding), pieces)
    assert len(alone) / 32000 == pytest.approx(duration_s, abs=0.1)
    disturbed = await bench.talk(SessionConfig(encoding=encoding), pieces, lost_after=(0, 3, 8, 9, 10, 17, 24))
    assert disturbed == alone


@pytest.mark.parametrize(("encoding", "how", "options"), STREAMS)
async def test_pieces_of_20_ms_are_joined_and_survive_their_decoders(
    encoding: Encoding, how: tuple[str, str, int], options: dict[str, str], bench: Bench
) -> None:
    pieces = in_pieces(stream(*how, duration_s=5.0, **options), 250)
    alone = await bench.talk(SessionConfig(encoding=encoding), pieces)
    lengths = [len(frame.data) for frame in await bench.newest.log()]
    assert lengths.pop() == 0, "STOP"
    assert min(lengths[:-1]) >= 960, "30 ms"
    disturbed = await bench.talk(SessionConfig(encoding=encoding), pieces, lost_after=tuple(range(1, 240, 14)))
    assert disturbed == alone


FOLLOWING = [
    pytest.param(Encoding.AUTO, ("wav", "pcm_s16le", 44100), {}, id="wav"),
    pytest.param(Encoding.PCM_S16LE, ("wav", "pcm_s16le", 16000), {}, id="wav, announced as samples"),
    pytest.param(Encoding.PCM_S16LE, ("webm", "libopus", 48000), {}, id="webm, announced as samples"),
    pytest.param(Encoding.AUTO, ("mp4", "aac", 44100), FRAGMENTS, id="fragmented mp4"),
    pytest.param(Encoding.AUTO, ("mp4", "aac", 44100), {}, id="mp4 with its index last"),
]


@pytest.mark.parametrize(("encoding", "how", "options"), FOLLOWING)
async def test_recordings_follow_each_other_whoever_decodes_them(
    encoding: Encoding, how: tuple[str, str, int], options: dict[str, str], bench: Bench
) -> None:
    files = [stream(*how, duration_s=1.0, **options)] * 6
    alone = await bench.talk(SessionConfig(encoding=encoding), files)
    assert len(alone) / 32000 == pytest.approx(6.0, abs=0.4)
    assert await bench.talk(SessionConfig(encoding=encoding), files, lost_after=(0, 2, 3, 5)) == alone
    if options or how[0] != "mp4":
        pieces = in_pieces(b"".join(files), 50)
        alone = await bench.talk(SessionConfig(encoding=encoding), pieces)
        assert await bench.talk(SessionConfig(encoding=encoding), pieces, lost_after=(0, 7, 8, 9, 20, 33, 41)) == alone


async def test_a_pause_does_not_wait_for_a_whole_frame(bench: Bench) -> None:
    session = await bench.session(SessionConfig())
    async with session.decoder() as decoding:
        await session.send(bytes(640))
        await session.send(kind=FrameKind.IDLE)
        await session.consumed(2)
        assert [(frame.kind, len(frame.data)) for frame in await session.log()] == [
            (FrameKind.AUDIO, 640),
            (FrameKind.IDLE, 0),
        ]
        await session.send(bytes(640))
        await session.send(kind=FrameKind.STOP)
        async with asyncio.timeout(5):
            await decoding
    assert len(await session.written()) == 1280


APART = ChannelMode.SEPARATE


@pytest.mark.parametrize(
    "config",
    [
        SessionConfig(),
        SessionConfig(sample_rate=44100, channels=2),
        SessionConfig(channels=2, channel_mode=APART),
        SessionConfig(sample_rate=44100, channels=3, channel_mode=APART),
    ],
    ids=["16k", "44k", "16k apart", "44k apart"],
)
async def test_bare_samples_have_no_seam(config: SessionConfig, bench: Bench) -> None:
    data = np.random.default_rng(0).integers(-9000, 9000, 44100 * 2, dtype="<i2").tobytes()
    pieces = in_pieces(data, 20)
    alone = await bench.talk(config, pieces)
    assert await bench.talk(config, pieces, lost_after=(0, 1, 2, 9, 14, 18)) == alone


async def test_channels_that_are_kept_apart_survive_their_decoders(bench: Bench) -> None:
    config = SessionConfig(encoding=Encoding.OGG, channels=2, channel_mode=APART)
    pieces = in_pieces(encoded_channels(np.stack([one(), other()], 1), "ogg", "libopus", "stereo"), 28)
    alone = await bench.talk(config, pieces)
    assert {frame.meta.channels for frame in await bench.newest.log()} == {(0, 1)}
    assert len(alone) / 64000 == pytest.approx(8.0, abs=0.1)
    assert await bench.talk(config, pieces, lost_after=(0, 3, 8, 9, 10, 17, 24)) == alone


async def test_without_the_kept_head_the_stream_is_lost(bench: Bench) -> None:
    session = await bench.session(SessionConfig(encoding=Encoding.WEBM))
    pieces = in_pieces(stream("webm", "libopus", 48000, duration_s=14.0, **LIVE_WEBM), 28)
    async with session.decoder():
        for piece in pieces[:25]:
            seq = await session.send(piece)
        await session.consumed(seq)
    await bench.client.hset(session.at.state, "restart_head", b"")
    await session.send(pieces[25])
    async with session.decoder() as decoding, asyncio.timeout(10):
        await decoding
    last = (await session.log())[-1]
    assert last.kind is FrameKind.STOP
    assert last.meta.error is not None
    assert last.meta.error.code == "bad_audio"


async def test_without_the_kept_frames_samples_are_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = in_pieces(stream("mp3", "libmp3lame", 44100), 28)
    config = SessionConfig(encoding=Encoding.MP3)
    alone = await bench.talk(config, pieces)
    monkeypatch.setattr(Progress, "keep_from", property(lambda progress: progress.consumed_seq + 1))
    monkeypatch.setattr(Progress, "skip_bytes", 0)
    assert await bench.talk(config, pieces, lost_after=(8, 17)) != alone


async def test_a_stream_that_cannot_be_taken_up_ends_with_the_reason(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restart_points, "MAX_KEPT_BYTES", 20_000)
    session = await bench.session(SessionConfig(encoding=Encoding.WAV))
    pieces = in_pieces(stream("wav", "adpcm_ms", 22050), 28)
    async with session.decoder():
        for piece in pieces[:25]:
            seq = await session.send(piece)
        await session.consumed(seq - 3)
        consumed = await session.field("consumed_seq")
        assert consumed > seq - 4
        assert await bench.client.xlen(session.at.audio_log) == seq - consumed, "and nothing is kept for it"
    async with session.decoder() as decoding, asyncio.timeout(10):
        await decoding
    assert (await session.log())[-1].meta.error == StreamError(
        "internal", "the decoder was lost, and the stream has no place near its end where another can begin"
    )


async def test_the_last_seconds_of_a_stream_stay_and_do_not_fill_its_log(bench: Bench) -> None:
    session = await bench.session(SessionConfig(encoding=Encoding.WEBM))
    data = stream("webm", "libopus", 48000, duration_s=14.0, **LIVE_WEBM)
    pieces = in_pieces(data, 700)
    async with session.decoder():
        for piece in pieces:
            seq = await session.send(piece)
            if seq % 50 == 0:
                await session.consumed(seq - 40)
    consumed = await session.field("consumed_seq")
    kept = await bench.client.xlen(session.at.audio_log) - (seq - consumed)
    assert 0.85 * OPUS_PREROLL_S / 0.02 <= kept <= 1.2 * OPUS_PREROLL_S / 0.02
    async with session.decoder():
        await session.consumed(await session.send(kind=FrameKind.FINALIZE))
    assert await session.field("consumed_bytes") == len(data)
    following = Frame(await session.field("audio_seq") + 1, FrameKind.AUDIO, b"x")
    for waiting_bytes, written in (
        (MAX_INGEST_LOG_BYTES, WriteResult.FULL),
        (MAX_INGEST_LOG_BYTES - 1, WriteResult.OK),
    ):
        held = IngestPosition(total_bytes=len(data) + waiting_bytes + 1)
        assert await session.bus.sessions.append_audio(Ownership(session.at, "e1"), following, held) is written


async def test_a_frame_that_was_half_written_is_not_written_twice(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long frame goes into the PCM log piece by piece, and its decoder may be lost between two of them."""
    monkeypatch.setattr(pipeline, "MAX_FRAME_SAMPLES", 500)
    monkeypatch.setattr(pipeline, "MIN_FRAME_SAMPLES", 1)
    config = SessionConfig()
    data = np.random.default_rng(0).integers(-9000, 9000, 40_000, dtype="<i2").tobytes()
    session = await bench.session(config)
    for piece in in_pieces(data, 4):
        await session.send(piece)
    await session.send(kind=FrameKind.STOP)
    for n_frames in (7, 23, 41, 55):
        async with session.decoder(), asyncio.timeout(5):
            while len(await session.log()) < n_frames:
                await asyncio.sleep(0)
    async with session.decoder() as decoding, asyncio.timeout(5):
        await decoding
    assert await session.written() == data


async def test_a_decoder_that_was_replaced_writes_nothing_more(bench: Bench) -> None:
    session = await bench.session(SessionConfig(encoding=Encoding.WEBM))
    pieces = in_pieces(stream("webm", "libopus", 48000, **LIVE_WEBM), 28)
    async with session.decoder() as former:
        for piece in pieces[:14]:
            await session.send(piece)
        await session.consumed(12)
        async with session.decoder() as later:
            for piece in pieces[14:]:
                await session.send(piece)
            await session.send(kind=FrameKind.STOP)
            async with asyncio.timeout(10):
                await asyncio.gather(former, later)
    assert await session.written() == await bench.talk(SessionConfig(encoding=Encoding.WEBM), pieces)


async def test_a_rebuilt_session_begins_where_it_was_told(bench: Bench) -> None:
    session = await bench.session(SessionConfig())
    await bench.client.hset(session.at.state, "start_samples", 32000)
    async with session.decoder():
        await session.consumed(await session.send(bytes(3200)))
    async with session.decoder() as decoding:
        await session.send(bytes(3200))
        await session.send(kind=FrameKind.STOP)
        async with asyncio.timeout(5):
            await decoding
    assert len(await session.written()) == 6400


async def test_the_position_is_known_when_all_was_committed(bench: Bench) -> None:
    session = await bench.session(SessionConfig(encoding=Encoding.WEBM))
    pieces = in_pieces(stream("webm", "libopus", 48000, **LIVE_WEBM), 28)
    async with session.decoder():
        for piece in pieces[:20]:
            await session.send(piece)
        await session.consumed(20)
    position = sum(len(frame.data) for frame in await session.log()) // 2
    transcriber = await session.bus.sessions.claim(session.at, "e1", keys.STAGE_TRANSCRIBER, "t")
    assert transcriber is not None
    last = await session.field("pcm_seq")
    await session.bus.sessions.commit(transcriber, Commit(position, last, TakeoverState()))
    assert await session.log() == []
    async with session.decoder():
        await session.consumed(await session.send(pieces[20]))
    first = (await session.log())[0]
    assert (first.seq, first.meta.start_sample) == (last + 1, position)


async def test_what_is_kept_is_small(bench: Bench) -> None:
    session = await bench.session(SessionConfig(encoding=Encoding.WEBM))
    pieces = in_pieces(stream("webm", "libopus", 48000, duration_s=14.0, **LIVE_WEBM), 28)
    async with session.decoder():
        for piece in pieces[:25]:
            await session.send(piece)
        await session.consumed(25)
    fields = await read_state(bench.client, session.at)
    progress = Progress.read(SessionState.read(fields))
    assert len(fields[b"restart_head"]) < 1000
    assert len(fields[b"restart"]) < 200
    assert msgspec.json.decode(fields[b"restart"])["seq"] == progress.keep_from
