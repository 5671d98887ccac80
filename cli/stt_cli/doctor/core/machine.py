"""Rules about the machine: its processor, memory, disk, limits and clock."""

from collections.abc import Collection
from datetime import datetime

from stt_shared.contracts.findings import Finding, Level

LEAST_FREE_BYTES = 200_000_000
"""Free space below which little can be stored any more."""
LOW_FREE_BYTES = 2_000_000_000
_GB = 1e9
_FAST_INT8 = ("avx512_vnni", "avx_vnni", "asimddp", "i8mm")
_WIDE = ("avx512f", "avx2", "asimd")


def cpu_finding(flags: Collection[str], machine: str, usable: int, all_: int) -> Finding:
    """``flags``: of the processor as Linux names them, () if unknown. ``usable``: CPUs that this process may use."""
    cpus = f"{machine}, {usable} of {all_} CPUs usable" if usable < all_ else f"{machine}, {all_} CPUs"
    fast = next((flag for flag in _FAST_INT8 if flag in flags), None)
    wide = next((flag for flag in _WIDE if flag in flags), None)
    if not flags:
        return Finding("cpu", Level.OK, f"{cpus}; this system does not report what the processor can do")
    if fast:
        return Finding("cpu", Level.OK, f"{cpus}, {wide} and {fast}")
    if wide:
        return Finding("cpu", Level.OK, f"{cpus}, {wide} without VNNI: 8-bit models are slower")
    remedy = "use another machine, or a small model (WHISPER_MODEL=tiny.en) and few sessions"
    return Finding("cpu", Level.WARNING, f"{cpus}, neither AVX2 nor AVX-512: models are much slower", remedy)


def memory_finding(available: int | None, limit: int | None, model: int) -> Finding:
    """Bytes: what the machine has left, what this container may have, what the model's files take; None if unknown."""
    known = [one for one in (available, limit) if one is not None]
    if not known:
        return Finding("memory", Level.OK, "this system does not report how much is free")
    told = f"{min(known) / _GB:.1f} GB available" + ("" if limit is None else f", the limit is {limit / _GB:.1f} GB")
    if min(known) < 2 * model:
        message = f"{told}; the files of the model alone take {model / _GB:.1f} GB"
        return Finding("memory", Level.WARNING, message, "raise the limit, or choose a smaller WHISPER_MODEL")
    return Finding("memory", Level.OK, told)


def disk_finding(setting: str, folder: str, free: int, wanted: int = 0) -> Finding:
    """``free`` bytes on the disk of a setting's folder; ``wanted``: bytes that it may come to hold."""
    check = f"disk {setting}"
    told = f"{free / _GB:.1f} GB free for {folder}"
    if free < LEAST_FREE_BYTES:
        return Finding(check, Level.ERROR, told, f"free some space, or set {setting} to a folder on another disk")
    if free < LOW_FREE_BYTES:
        return Finding(check, Level.WARNING, told, f"free some space, or set {setting} to a folder on another disk")
    if free < wanted:
        message = f"{told}, and MAX_SPOOL_BYTES lets uploads take {wanted / _GB:.1f} GB"
        return Finding(check, Level.WARNING, message, "set MAX_SPOOL_BYTES to less than what is free")
    return Finding(check, Level.OK, told)


def folder_finding(setting: str, folder: str, why_not: str | None) -> Finding | None:
    """Return what is wrong with a folder; None if it can be written, or made."""
    if why_not is None:
        return None
    remedy = f"give this user the right to it, or set {setting} to another folder"
    return Finding(f"disk {setting}", Level.ERROR, f"{folder}: {why_not}", remedy)


def open_files_finding(hard_limit: int, wanted: int) -> Finding:
    """``wanted``: files that a gateway with all its connections has open."""
    if hard_limit >= wanted:
        return Finding("open files", Level.OK, f"up to {hard_limit}")
    message = f"up to {hard_limit}, and a gateway with all its connections needs {wanted}"
    return Finding("open files", Level.WARNING, message, f"raise the hard limit: ulimit -Hn {wanted}, or LimitNOFILE=")


def clock_finding(now: datetime, installed: datetime) -> Finding:
    """``installed``: when the suite was, before which it cannot be now."""
    told = f"it is {now:%Y-%m-%d %H:%M} UTC"
    if now < installed:
        message = f"{told}, before the suite was installed"
        return Finding("clock", Level.ERROR, message, "set the clock, and keep it right with NTP")
    return Finding("clock", Level.OK, told)
