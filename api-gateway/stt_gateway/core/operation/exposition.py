"""Metrics of many processes as one valid Prometheus page: each family once, samples distinguished by labels."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample


@dataclass(frozen=True)
class ReplicaText:
    """Metrics text of one process."""

    service: str
    replica: str
    text: str


class _Merged(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def merged(texts: Iterable[ReplicaText]) -> tuple[bytes, list[ReplicaText]]:
    """Merge the texts into one page; return it with the unreadable texts, which are left out.

    If the type of a family differs between processes, the first one is kept and samples of another type are dropped.
    """
    families: dict[str, Metric] = {}
    unreadable: list[ReplicaText] = []
    for source in texts:
        try:
            # Parse the whole text before using it: half of a process's metrics would be published as if complete.
            read = list(text_string_to_metric_families(source.text))
        except ValueError:
            unreadable.append(source)
            continue
        for family in read:
            # As separate gauges these would be declared twice: by their counter and by themselves.
            if family.name.endswith("_created"):
                continue
            kept = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            if kept.type != family.type:
                continue
            for sample in family.samples:
                labels = {**sample.labels, "service": source.service, "replica": source.replica}
                kept.samples.append(Sample(sample.name, labels, sample.value, sample.timestamp))
    return generate_latest(_Merged(families.values())), unreadable
