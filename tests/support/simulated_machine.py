"""A machine on which simulated transcribers decode what simulated people say; time passes only in ``run``."""

from dataclasses import dataclass, field

from stt_transcriber.core.schedule.averages import RecentMean
from stt_transcriber.core.schedule.pacing import LoadModel
from stt_transcriber.core.schedule.places import PlaceCount, Places
from stt_transcriber.core.schedule.scheduler import Kind

STEP_MS = 20
COUNT_EVERY_MS = 240
MEASURE_EVERY_MS = 3000
ENCODE_MS = 60.0
"""Time of a quiet core for a window of six seconds."""


@dataclass
class Decode:
    kind: Kind
    left_ms: float
    asked_ms: float
    began_ms: float = 0.0
    window_s: float = 3.0


@dataclass
class Person:
    """Speaks for ``speaks_s``, then pauses for ``pauses_s``, and so on; with ``speaks_s`` 0 always silent."""

    speaks_s: float
    pauses_s: float
    since_ms: float
    spoke: bool = False
    began_ms: float = 0.0
    drafted_ms: float = 0.0
    pending: Decode | None = None

    def speaks(self, now_ms: float) -> bool:
        return (now_ms - self.since_ms) / 1000 % (self.speaks_s + self.pauses_s) < self.speaks_s


@dataclass
class Simulated:
    """One transcriber with ``people``."""

    cores: int
    encode_ms: float
    load: LoadModel = field(init=False)
    places: Places = field(init=False)
    people: list[Person] = field(default_factory=list)
    running: list[Decode] = field(default_factory=list)
    counted: PlaceCount = field(default_factory=lambda: PlaceCount(0, ""))
    share: float = 1.0
    interval_ms: RecentMean = field(default_factory=lambda: RecentMean(10, 0.3, 0.0))
    history: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.load = LoadModel(self.cores, 300, 3000, 1.1 * self.encode_ms)
        self.places = Places(self.load)

    def admit(self, count: int, now_ms: float, speaks_s: float = 5.0, pauses_s: float = 1.5) -> None:
        """``count`` people come, one after the other within a second."""
        self.people += [Person(speaks_s, pauses_s, now_ms + 1000 * n / count) for n in range(count)]

    def step(self, now_ms: float) -> None:
        speaking = [one for one in self.people if one.speaks(now_ms)]
        pacing = self.load.pace(len(speaking), now_ms)
        for one in self.people:
            speaks = one in speaking
            if one.spoke and not speaks:
                spoken_s = (now_ms - one.began_ms) / 1000
                one.pending = Decode(Kind.FINAL, 0.4 * spoken_s * self.encode_ms, now_ms, window_s=spoken_s)
            elif speaks and pacing.drafts and one.pending is None and now_ms - one.drafted_ms >= pacing.interval_ms:
                one.pending = Decode(Kind.PARTIAL, 0.9 * self.encode_ms, now_ms)
            if speaks and not one.spoke:
                one.began_ms = now_ms
            one.spoke = speaks
        waiting = [one for one in self.people if one.pending is not None and one.pending not in self.running]
        waiting.sort(key=lambda one: (one.pending.kind, one.pending.asked_ms) if one.pending else (9, 0))
        for one in waiting[: self.cores - len(self.running)]:
            assert one.pending is not None
            one.pending.began_ms = now_ms
            if one.pending.kind is Kind.PARTIAL:
                if one.drafted_ms and now_ms - one.drafted_ms < 4000:
                    self.interval_ms.add(now_ms - one.drafted_ms, now_ms)
                one.drafted_ms = now_ms
            self.running.append(one.pending)
        if now_ms % MEASURE_EVERY_MS == 0 and not self.running:
            self.running.append(Decode(Kind.FILE_CHUNK, self.encode_ms, now_ms, now_ms))
        if now_ms % COUNT_EVERY_MS == 0:
            self.counted = self.places.count(len(self.people), len(speaking), self.share, now_ms)
            self.history.append(self.counted.places)

    def work(self, ms: float, now_ms: float) -> None:
        for decode in self.running[:]:
            decode.left_ms -= ms
            if decode.left_ms > 0:
                continue
            self.running.remove(decode)
            took_ms = now_ms + STEP_MS - decode.began_ms
            if decode.kind is Kind.FILE_CHUNK:  # stands for a measurement of the idle model
                self.load.measured(1.1 * took_ms, now_ms)
            else:
                self.load.decoded(decode.kind, took_ms, [decode.window_s], decode.began_ms - decode.asked_ms, now_ms)
            for one in self.people:
                if one.pending is decode:
                    one.pending = None


class Machine:
    """``replicas`` transcribers on ``cores``, with ``neighbours`` threads of other programs that are always busy."""

    def __init__(self, cores: int = 2, replicas: int = 1, encode_ms: float = ENCODE_MS) -> None:
        self.cores = cores
        self.neighbours = 0
        self.now_ms = 0
        self.replicas = [Simulated(cores, encode_ms) for _ in range(replicas)]
        for replica in self.replicas:
            replica.share = 1 / replicas

    @property
    def only(self) -> Simulated:
        (replica,) = self.replicas
        return replica

    @property
    def places(self) -> int:
        """Of all replicas."""
        return sum(replica.counted.places for replica in self.replicas)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 1000 / STEP_MS)):
            for replica in self.replicas:
                replica.step(self.now_ms)
            # The services that feed the model have their part of the cores too.
            others = sum(0.02 * len(replica.people) for replica in self.replicas)
            wanted = sum(len(replica.running) for replica in self.replicas) + self.neighbours + others
            rate = min(1.0, self.cores / wanted) if wanted else 1.0
            for replica in self.replicas:
                replica.work(STEP_MS * rate, self.now_ms)
            self.now_ms += STEP_MS

    def fill(self, seconds: float, at_a_time: int = 1, speaks_s: float = 5.0, pauses_s: float = 1.5) -> int:
        """Somebody always waits for a place; returns how many have one in the end."""
        for _ in range(round(seconds)):
            for replica in self.replicas:
                free = replica.counted.places - len(replica.people)
                if free > 0:
                    replica.admit(min(free, at_a_time), self.now_ms, speaks_s, pauses_s)
            self.run(1)
        return sum(len(replica.people) for replica in self.replicas)
