"""All scenarios; importing this fills the registry."""

from chaos import (
    scenarios_clients,
    scenarios_clocks,
    scenarios_dialects,
    scenarios_network,
    scenarios_processes,
    scenarios_store,
    scenarios_twins,
)

__all__ = [
    "scenarios_clients",
    "scenarios_clocks",
    "scenarios_dialects",
    "scenarios_network",
    "scenarios_processes",
    "scenarios_store",
    "scenarios_twins",
]
