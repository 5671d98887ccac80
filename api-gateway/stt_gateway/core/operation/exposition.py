"""The metrics of many processes as one valid Prometheus page: every family once, samples told apart by labels."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample


@dataclass(frozen=True)
class ReplicaText:
    """What one process exposes."""

    service: str
    replica: str
    text: str


class _Merged(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def merged(texts: Iterable[ReplicaText]) -> tuple[bytes, list[ReplicaText]]:
    """One page, and what was left out of it: nobody can read it. A family whose type differs between processes keeps
    the first."""
    families: dict[str, Metric] = {}
    unreadable: list[ReplicaText] = []
    for source in texts:
        try:
            # All of it at once: half of a process would be told as if it were the whole.
            read = list(text_string_to_metric_families(source.text))
        except ValueError:
            unreadable.append(source)
            continue
        for family in read:
            # As gauges of their own, these would be announced twice: by their counter and by themselves.
            if family.name.endswith("_created"):
                continue
            kept = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            if kept.type != family.type:
                continue
            for sample in family.samples:
                labels = {**sample.labels, "service": source.service, "replica": source.replica}
                kept.samples.append(Sample(sample.name, labels, sample.value, sample.timestamp))
    return generate_latest(_Merged(families.values())), unreadable
