"""One audio track of a file: each sound where a player plays it, and a record of what cannot be decoded."""

import contextlib
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import av
import av.container

from stt_audio.codecs.ffmpeg import MAX_BAD_PACKETS, ContainerInput, check_frame, open_container, read_packets
from stt_audio.codecs.file_clock import BROADCAST, COUNTED, SELF_FRAMED, STAMPED, file_clock
from stt_audio.codecs.formats import Media
from stt_audio.codecs.frame_walk import FrameWalk
from stt_audio.codecs.losses import Losses
from stt_audio.codecs.source import FileSource
from stt_audio.codecs.timeline import Timeline
from stt_audio.codecs.tracks import track_view
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import JobWarning

MAX_BROADCAST_GAP_S = 300.0
"""Longest gap in a broadcast; a longer one is a place where programmes were joined."""
_CUT_OFF_S = 1.0
"""Least audio that is missing at the end of a file that counts as cut off."""
_MAX_OVERHEAD_BYTES = 512
"""Most bytes that a container needs between two packets."""
_OVER_S = 1.0
"""How much longer than allowed a file has been counted when counting ends."""

T = TypeVar("T")


@dataclass(slots=True)
class _Piece:
    """A decoded frame. ``lost_s``: seconds right before it that cannot be decoded; ``after_hole``: whether data before
    it was passed over; ``after_junk``: whether bytes that are no frame were, so that nobody knows how much is lost."""

    frame: av.AudioFrame
    stamp_s: float | None
    length_s: float
    lost_s: float
    after_hole: bool
    after_junk: bool


class FileInput(ContainerInput):
    """Audio track of an opened file, its ``track``-th from 0, of at most ``max_s`` seconds.

    ``walk``: through the same file, which shows what FFmpeg passes over. ``duration_s`` and ``warnings`` are complete
    once ``pcm`` has ended.
    """

    def __init__(
        self,
        container: av.container.InputContainer,
        media: Media,
        max_s: float,
        track: int,
        walk: FrameWalk | None = None,
    ) -> None:
        super().__init__(container, media, track)
        self.track = track_view(container, track)
        """What clients see of the track; None if it is the only one."""
        self._max_s = max_s
        self._walk = walk
        self._clock = file_clock(container, self._stream, media)
        self._timeline = self._new_timeline()
        self._losses = Losses()
        self._units_s = [float(stream.time_base or 0) for stream in container.streams]
        self._seen_end_s = 0.0
        self._read_to = 0
        self._has_decoded = False
        self._n_bad = 0
        self._lost_s = 0.0  # of packets since the last frame
        self._since_hole = 2  # packets
        self._after_junk = False

    def length_s(self) -> float:
        """Return the length of the audio according to the file; 0 if unknown. Consumes the container.

        Where the file does not state it, or only an estimate, the packets are counted without decoding them, until they
        exceed ``max_s`` or are damaged.
        """
        stated_s = self._clock.audio_end_s or self._clock.end_s
        return stated_s or self._counted_s()

    @property
    def duration_s(self) -> float:
        """Length that a player shows: of the longest track, whether it can be decoded or not, at most ``max_s``."""
        if self._timeline.ignored_gap_s:
            return self._timeline.position_s  # the jump is in what the container states
        return max(self._timeline.position_s, min(self._clock.end_s or self._seen_end_s, self._max_s))

    @property
    def warnings(self) -> list[JobWarning]:
        """What is missing from the audio, and where its times are in doubt; times count from its start."""
        warnings = self._losses.warnings(self.duration_s)
        if gap_s := self._timeline.ignored_gap_s:
            at_s = self._timeline.ignored_at_s
            message = f"the time stamps jump by {gap_s:.0f} s after {at_s:.1f} s; later times do not include the jump"
            warnings.append(JobWarning("time_jump", message, round(at_s, 3)))
        return warnings

    def _new_timeline(self) -> Timeline:
        max_gap_s = MAX_BROADCAST_GAP_S if self._media in BROADCAST else math.inf
        return Timeline(self._clock.origin_s, self._max_s, max_gap_s, only_start=self._media in COUNTED)

    def _counted_s(self) -> float:
        timeline = self._new_timeline()
        unit_s = self._units_s[self._stream.index]
        packets = (packet for packet in read_packets(self._container, self._stream) if packet.size)
        with contextlib.suppress(av.error.FFmpegError):
            for packet, following in _with_next(packets):
                if timeline.position_s > self._max_s + _OVER_S:
                    break
                stamp_s, next_stamp_s = self._stamp_s(packet), self._stamp_s(following)
                timeline.place(stamp_s, (packet.duration or 0) * unit_s, next_stamp_s)
        return timeline.position_s

    def _stamp_s(self, packet: "av.Packet[Any] | None") -> float | None:
        if packet is None or self._media not in STAMPED:
            return None
        stamp = packet.dts if packet.pts is None else packet.pts
        return None if stamp is None else stamp * self._units_s[packet.stream.index]

    def _frames(self) -> Iterator[av.AudioFrame]:
        timeline = self._timeline
        for piece, following in _with_next(self._pieces()):
            start_s = timeline.position_s
            silence_s = timeline.place(piece.stamp_s, piece.length_s, following.stamp_s if following else None)
            if piece.lost_s or (piece.after_hole and silence_s):
                self._losses.add(start_s, start_s + silence_s, max(piece.lost_s, silence_s))
            if piece.after_junk:
                self._losses.add_hole(start_s)
            if silence_s:
                yield from _silence(piece.frame, silence_s)
            yield piece.frame
        self._note_end()

    def _pieces(self) -> Iterator[_Piece]:
        is_stamped = self._media in STAMPED
        for packet in self._packets():
            if packet.stream is not self._stream:
                continue
            self._since_hole += 1
            for frame in self._decoded_frames(packet):
                length_s = frame.samples / frame.sample_rate
                # The packet after a hole may have begun before it.
                after_hole = self._since_hole <= 1
                yield _Piece(
                    frame, frame.time if is_stamped else None, length_s, self._lost_s, after_hole, self._after_junk
                )
                self._has_decoded, self._lost_s, self._after_junk = True, 0.0, False

    def _decoded_frames(self, packet: "av.Packet[Any]") -> list[av.AudioFrame]:
        """Decode a packet; a damaged one is lost, unless nothing could be decoded yet."""
        try:
            frames = self._decode(packet)
            for frame in frames:
                check_frame(frame)
        except (av.error.FFmpegError, SttError) as error:
            self._n_bad += 1
            is_format = isinstance(error, SttError)  # of damaged data if others could be decoded
            if isinstance(error, av.error.MemoryError) or (
                not self._has_decoded and (is_format or self._n_bad > MAX_BAD_PACKETS)
            ):
                raise
            self._lost_s += (packet.duration or 0) * self._units_s[packet.stream.index]
            return []
        return frames

    def _packets(self) -> "Iterator[av.Packet[Any]]":
        """Yield the packets of all tracks. What cannot be read is passed over, unless nothing could be decoded yet."""
        failed = 0
        while True:
            try:
                for packet in read_packets(self._container):
                    failed = 0
                    if packet.size:
                        self._follow(packet)
                    yield packet
                return
            except av.error.FFmpegError as error:
                self._since_hole = -1
                failed += 1
                if isinstance(error, av.error.MemoryError) or not self._has_decoded:
                    raise
                if failed > MAX_BAD_PACKETS:
                    return

    def _follow(self, packet: "av.Packet[Any]") -> None:
        """Note how far the file is read, and whether bytes before this packet were passed over."""
        if self._walk is not None and packet.stream is self._stream and self._walk.step():
            self._after_junk = True
        if self._media in SELF_FRAMED and packet.pos is not None:
            if 0 < self._read_to < packet.pos - _MAX_OVERHEAD_BYTES:
                self._since_hole = -1
            self._read_to = max(self._read_to, packet.pos) + packet.size
        stamp_s = self._stamp_s(packet)
        if stamp_s is not None and packet.stream.type in ("audio", "video"):
            end_s = stamp_s + (packet.duration or 0) * self._units_s[packet.stream.index] - self._clock.origin_s
            if end_s <= self._max_s:
                self._seen_end_s = max(self._seen_end_s, end_s)

    def _note_end(self) -> None:
        """Note what is missing after the last sound that could be decoded."""
        at_s = self._timeline.position_s
        if self._clock.audio_end_s:
            missing_s = self._clock.audio_end_s - at_s
        else:
            missing_s = self._clock.end_s - max(at_s, self._seen_end_s)
        if missing_s > _CUT_OFF_S:
            self._losses.add(at_s, at_s + missing_s, missing_s, is_end=self._lost_s < _CUT_OFF_S)
        elif self._lost_s:
            self._losses.add(at_s, at_s + self._lost_s, self._lost_s)


@contextlib.contextmanager
def open_file(
    source: FileSource, media: Media, max_s: float, track: int, walk: FrameWalk | None = None
) -> Iterator[FileInput]:
    """Open a track of a file as ``media`` and nothing else. FFmpeg's own errors are raised as SttError."""
    with open_container(source, media) as container:
        yield FileInput(container, media, max_s, track, walk)


def _with_next(items: Iterable[T]) -> Iterator[tuple[T, T | None]]:
    """Yield each item with the one that follows it; None after the last."""
    ours, ahead = itertools.tee(items)
    next(ahead, None)
    return itertools.zip_longest(ours, ahead)


def _silence(like: av.AudioFrame, length_s: float) -> Iterator[av.AudioFrame]:
    """Yield frames of silence in the format of another frame."""
    left = round(length_s * like.sample_rate)
    quiet = 0x80 if like.format.name.startswith("u8") else 0
    while left > 0:
        frame = av.AudioFrame(like.format.name, like.layout.name, min(left, like.sample_rate))
        frame.sample_rate = like.sample_rate
        for plane in frame.planes:
            plane.update(bytes([quiet]) * plane.buffer_size)
        left -= frame.samples
        yield frame
