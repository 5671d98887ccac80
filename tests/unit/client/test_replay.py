"""The replay buffer against a server that loses connections, its memory, or nothing: every byte once, in its place."""

import random
from dataclasses import dataclass, field

import pytest

from stt_client.replay import SAMPLE_BYTES, AudioFormat, Chunk, Configure, Finalize, Item, ReplayBuffer, Stop
from stt_shared.contracts.session import Encoding

pytestmark = pytest.mark.unit

PCM = AudioFormat.of("pcm_s16le", 16_000, 1)
WEBM = AudioFormat.of("webm", 16_000, 1)


def buffer_of(audio: AudioFormat = PCM, *, max_s: float = 120.0, max_bytes: int = 1 << 24) -> ReplayBuffer:
    return ReplayBuffer(audio, max_s=max_s, max_bytes=max_bytes)


def drain(buffer: ReplayBuffer) -> list[Item]:
    out = []
    while (item := buffer.next()) is not None:
        out.append(item)
    return out


def filled(*pushes: bytes, audio: AudioFormat = PCM) -> ReplayBuffer:
    buffer = buffer_of(audio)
    for data in pushes:
        buffer.push(data)
    return buffer


@dataclass
class Server:
    """What a suite holds: audio from ``start`` on, put together by chunk number, committed up to a millisecond."""

    start: int = 0
    audio: bytearray = field(default_factory=bytearray)
    finalized: list[int] = field(default_factory=list)
    held_seq: int = 0
    committed_ms: int = 0
    stopped: bool = False

    @property
    def end(self) -> int:
        return self.start + len(self.audio)

    def take(self, item: Item) -> None:
        if isinstance(item, Chunk):
            if item.seq <= self.held_seq:
                return
            assert item.seq == self.held_seq + 1, "a hole"
            self.held_seq = item.seq
            self.audio += item.data
        elif isinstance(item, Finalize):
            self.finalized.append(self.end)
        else:
            self.stopped = True


def test_encodings_are_those_of_the_server() -> None:
    assert {encoding.value: encoding.bytes_per_sample for encoding in Encoding if encoding.bytes_per_sample} == (
        SAMPLE_BYTES
    )


def test_chunks_are_numbered_from_1_in_order_and_each_is_given_once() -> None:
    buffer = filled(b"aa", b"bbbb", b"cc")
    assert drain(buffer) == [Chunk(1, 0, b"aa"), Chunk(2, 2, b"bbbb"), Chunk(3, 6, b"cc")]
    assert buffer.next() is None


def test_a_chunk_holds_whole_samples_and_the_rest_waits() -> None:
    buffer = filled(b"a", b"bcd", b"e")
    assert drain(buffer) == [Chunk(1, 0, b"ab"[:1] + b"bcd")]
    buffer.stop()
    assert drain(buffer) == [Chunk(2, 4, b"e"), Stop(2, 5)], "at the end it goes as it is: the server tells of it"


@pytest.mark.parametrize(
    ("audio", "longest"),
    [
        (PCM, 16_000),
        (AudioFormat.of("pcm_s16le", 48_000, 3), 16_380),
        (AudioFormat.of("mulaw", 8_000, 1), 4_000),
        (AudioFormat.of("pcm_f32le", 192_000, 8), 16_384),
        (WEBM, 16_384),
    ],
)
def test_the_longest_chunk_is_half_a_second_in_whole_samples(audio: AudioFormat, longest: int) -> None:
    assert audio.max_chunk_bytes == longest


def test_settled_audio_goes_chunk_by_chunk_and_what_is_half_settled_stays_whole() -> None:
    buffer = filled(*[bytes(640)] * 5)  # 20 ms each
    drain(buffer)
    buffer.trim(50)
    assert buffer.kept_bytes == 3 * 640
    buffer.resume(2)
    assert [item.seq for item in drain(buffer)] == [3, 4, 5], "chunk 3 is settled up to its middle: the number names it"


def test_audio_that_waits_is_never_taken_for_settled() -> None:
    buffer = filled(bytes(640))
    buffer.trim(10_000)
    assert len(drain(buffer)) == 1


def test_a_resumed_connection_sends_what_the_server_lacks_with_the_same_numbers() -> None:
    buffer = filled(b"aa", b"bb", b"cc")
    drain(buffer)
    buffer.push(b"dd")
    buffer.resume(1)
    assert drain(buffer) == [Chunk(2, 2, b"bb"), Chunk(3, 4, b"cc"), Chunk(4, 6, b"dd")]


def test_finalize_and_stop_keep_their_places_and_are_sent_again_unless_audio_behind_them_arrived() -> None:
    buffer = filled(b"aa")
    buffer.finalize()
    buffer.finalize()
    buffer.push(b"bb")
    buffer.stop()
    whole = [Chunk(1, 0, b"aa"), Finalize(1, 2), Chunk(2, 2, b"bb"), Stop(2, 4)]
    for held, again in [(0, whole), (1, whole[1:]), (2, whole[3:])]:
        drain(buffer)
        buffer.resume(held)
        assert drain(buffer) == again


def test_a_server_that_has_more_than_was_thought_is_not_sent_it_again() -> None:
    buffer = filled(b"aa", b"bb")
    drain(buffer)
    buffer.resume(0)
    buffer.resume(2)
    assert drain(buffer) == []


def test_a_rebuilt_session_begins_exactly_at_the_settled_millisecond() -> None:
    audio = b"".join(n.to_bytes(2, "big") for n in range(1600))  # 100 ms
    buffer = filled(*[audio[at : at + 640] for at in range(0, 3200, 640)])
    buffer.finalize()
    drain(buffer)
    buffer.trim(37)
    buffer.rebuild(37)
    first, *rest = drain(buffer)
    assert first == Chunk(1, 37 * 32, audio[37 * 32 : 1280])
    assert rest == [
        Chunk(2, 1280, audio[1280:1920]),
        Chunk(3, 1920, audio[1920:2560]),
        Chunk(4, 2560, audio[2560:3200]),
        Finalize(4, 3200),
    ]


def test_a_rate_without_whole_samples_in_a_millisecond_begins_a_sample_early_not_late() -> None:
    cd = AudioFormat.of("pcm_s16le", 44_100, 2)
    assert cd.bytes_at(1) == 44 * 4
    assert cd.bytes_at(10) == 441 * 4


def test_a_finalize_of_settled_audio_is_forgotten_and_a_stop_never_is() -> None:
    buffer = filled(bytes(640))
    buffer.finalize()
    buffer.stop()
    drain(buffer)
    buffer.trim(20)
    buffer.rebuild(20)
    assert drain(buffer) == [Stop(0, 640)]


def test_a_full_buffer_has_room_again_when_audio_is_settled() -> None:
    buffer = buffer_of(max_s=1.0)
    for _ in range(100):
        assert buffer.has_room()
        buffer.push(bytes(320))  # 10 ms
    assert not buffer.has_room()
    drain(buffer)
    buffer.received(100)
    assert not buffer.has_room(), "received is not settled: Redis may lose it"
    buffer.trim(10)
    assert buffer.has_room()


def test_a_container_is_kept_from_its_header_on() -> None:
    buffer = filled(b"head", b"x" * 10, b"y" * 10, audio=WEBM)
    drain(buffer)
    buffer.received(3)
    buffer.trim(5000)
    assert buffer.can_rebuild
    buffer.rebuild(5000)
    assert [item.data for item in drain(buffer) if isinstance(item, Chunk)] == [b"head", b"x" * 10, b"y" * 10]


def test_a_container_beyond_its_bound_can_be_resumed_but_not_rebuilt() -> None:
    buffer = buffer_of(WEBM, max_bytes=30)
    for _ in range(3):
        buffer.push(b"x" * 10)
    assert not buffer.has_room(), "nothing was received: nothing may go"
    drain(buffer)
    buffer.received(2)
    assert buffer.has_room()
    assert not buffer.can_rebuild
    assert buffer.kept_bytes == 20
    buffer.push(b"y" * 10)
    buffer.resume(2)
    assert [item.seq for item in drain(buffer)] == [3, 4]


def test_what_the_server_has_not_told_to_have() -> None:
    buffer = filled(b"aa", b"bb", b"cc")
    assert buffer.unread_bytes == 0
    buffer.next()
    buffer.next()
    assert buffer.unread_bytes == 4
    buffer.received(1)
    assert buffer.unread_bytes == 2
    buffer.received(2)
    assert buffer.unread_bytes == 0


@pytest.mark.parametrize("seed", range(100))
@pytest.mark.parametrize("kind", ["pcm_s16le", "pcm_s16le stereo 44100", "webm"])
def test_every_byte_arrives_once_whatever_is_lost(kind: str, seed: int) -> None:
    """Random input, cuts of the line anywhere, acks that come late or never, and servers that forget everything."""
    dice = random.Random(seed)
    encoding, channels, rate = ("webm", 1, 16_000) if kind == "webm" else ("pcm_s16le", 1, 16_000)
    if "44100" in kind:
        channels, rate = 2, 44_100
    audio = AudioFormat.of(encoding, rate, channels)
    buffer = buffer_of(audio)
    spoken, wanted_finalizes = bytearray(), []
    server = Server()
    settled = bytearray()  # what the user's finals were made of
    known_ms = 0

    def bytes_at(ms: int) -> int:
        return ms * rate // 1000 * (audio.frame_bytes or 1)

    def commit(upto_ms: int) -> None:
        upto = bytes_at(upto_ms)
        settled.extend(server.audio[len(settled) - server.start : upto - server.start])
        server.committed_ms = upto_ms

    for _ in range(dice.randrange(20, 120)):
        match dice.choice(["push", "push", "send", "send", "commit", "ack", "cut", "lose", "finalize"]):
            case "push":
                piece = dice.randbytes(dice.randrange(1, 3000))
                spoken += piece
                buffer.push(piece)
            case "finalize":
                buffer.finalize()
                wanted_finalizes.append(len(spoken) - len(spoken) % (audio.frame_bytes or 1))
            case "send":
                for _ in range(dice.randrange(8)):
                    item = buffer.next()
                    if item is None:
                        break
                    if dice.random() < 0.9:
                        server.take(item)
                    else:  # lost with the line
                        buffer.resume(server.held_seq)
                        break
            case "commit":
                last_ms = server.end * 1000 // (rate * (audio.frame_bytes or 1))
                if last_ms > server.committed_ms:
                    commit(dice.randint(server.committed_ms, last_ms))
            case "ack":
                known_ms = server.committed_ms
                buffer.received(server.held_seq)
                buffer.trim(known_ms)
            case "cut":
                for _ in range(dice.randrange(4)):
                    buffer.next()  # on the line, and gone
                buffer.resume(server.held_seq)
            case "lose":
                start = 0 if encoding == "webm" else bytes_at(known_ms)
                server = Server(start=start, committed_ms=known_ms)
                del settled[bytes_at(known_ms) :]  # newer finals come again, and are known by their numbers
                buffer.rebuild(known_ms)
    buffer.stop()
    while (item := buffer.next()) is not None:
        server.take(item)
    assert server.stopped
    assert bytes(server.audio) == bytes(spoken[server.start :])
    settled.extend(server.audio[len(settled) - server.start :])
    assert settled == spoken
    unsettled = {at for at in wanted_finalizes if at > bytes_at(known_ms)}
    assert unsettled <= set(server.finalized), "a finalize is where it was said"
    assert set(server.finalized) <= set(wanted_finalizes)


def test_a_configuration_keeps_its_place() -> None:
    buffer = filled(b"aa")
    buffer.configure({"keyterms": ["x"]})
    buffer.push(b"bb")
    sent = drain(buffer)
    assert sent == [Chunk(1, 0, b"aa"), Configure(1, 2, {"keyterms": ["x"]}), Chunk(2, 2, b"bb")]
    buffer.resume(1)
    assert drain(buffer) == sent[1:], "the server may not have it"


def test_a_server_that_lost_the_session_learns_the_configuration_again() -> None:
    buffer = buffer_of()
    buffer.configure({"keyterms": ["x"], "replacements": {"a": "b"}})
    buffer.push(bytes(64_000))
    buffer.configure({"keyterms": ["y"]})
    buffer.push(bytes(64_000))
    drain(buffer)
    buffer.trim(1000)
    buffer.rebuild(2500)
    first, *rest = drain(buffer)
    assert isinstance(first, Configure)
    assert first.fields == {"keyterms": ["y"], "replacements": {"a": "b"}}
    assert all(isinstance(item, Chunk) for item in rest)
