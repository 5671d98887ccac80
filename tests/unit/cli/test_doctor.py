"""The rules of `stt doctor`: what each fact means, and the remedy."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stt_cli.doctor.core import machine, redis, suite
from stt_cli.doctor.examine import examine
from stt_cli.doctor.machine import cpu_flags, ffmpeg_finding
from stt_shared.contracts.findings import Finding, Level, report, report_lines
from stt_shared.process.memory import cgroup_memory

pytestmark = pytest.mark.unit

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
GB = 10**9


@pytest.mark.parametrize(
    ("finding", "level", "told"),
    [
        (machine.cpu_finding({"avx2", "avx512f", "avx512_vnni"}, "x86_64", 2, 2), Level.OK, "avx512f and avx512_vnni"),
        (machine.cpu_finding({"avx2"}, "x86_64", 1, 8), Level.OK, "1 of 8 CPUs usable, avx2 without VNNI"),
        (machine.cpu_finding({"sse4_2"}, "x86_64", 2, 2), Level.WARNING, "neither AVX2 nor AVX-512"),
        (machine.cpu_finding({"asimd", "asimddp"}, "aarch64", 4, 4), Level.OK, "asimd and asimddp"),
        (machine.cpu_finding((), "arm64", 4, 4), Level.OK, "does not report"),
        (machine.memory_finding(8 * GB, None, GB), Level.OK, "8.0 GB available"),
        (machine.memory_finding(8 * GB, 2 * GB, 3 * GB), Level.WARNING, "the limit is 2.0 GB"),
        (machine.memory_finding(None, None, GB), Level.OK, "does not report"),
        (machine.disk_finding("DATA_DIR", "/d", 10**8), Level.ERROR, "0.1 GB free for /d"),
        (machine.disk_finding("DATA_DIR", "/d", GB), Level.WARNING, "1.0 GB free"),
        (machine.disk_finding("SPOOL_DIR", "/d", 5 * GB, 20 * GB), Level.WARNING, "MAX_SPOOL_BYTES"),
        (machine.disk_finding("SPOOL_DIR", "/d", 30 * GB, 20 * GB), Level.OK, "30.0 GB"),
        (machine.open_files_finding(1024, 7000), Level.WARNING, "needs 7000"),
        (machine.open_files_finding(65536, 7000), Level.OK, "65536"),
        (machine.clock_finding(NOW, NOW - timedelta(days=1)), Level.OK, "2026-05-01 12:00 UTC"),
        (machine.clock_finding(NOW, NOW + timedelta(days=1)), Level.ERROR, "before the suite was installed"),
        (redis.persistence_finding(True), Level.OK, "append-only"),
        (redis.persistence_finding(False), Level.WARNING, "loses all jobs"),
        (redis.memory_finding({"maxmemory": 0}), Level.WARNING, "maxmemory is not set"),
        (redis.memory_finding({"maxmemory": 100, "used_memory": 85}), Level.ERROR, "85%"),
        (redis.memory_finding({"maxmemory": GB, "used_memory": 1}), Level.OK, "0% of 1.0 GB"),
        (redis.memory_finding({"maxmemory_policy": "allkeys-lru"}), Level.ERROR, "deletes sessions and jobs"),
        (redis.clock_finding(-1.5), Level.OK, "agrees"),
        (redis.clock_finding(-61.2), Level.WARNING, "61 s behind"),
        (suite.auth_finding("127.0.0.1", None, None), Level.OK, "nobody else"),
        (suite.auth_finding("0.0.0.0", "off", None), Level.WARNING, "whoever reaches it"),
        (suite.auth_finding("0.0.0.0", "keys", None), Level.OK, "AUTH=keys on 0.0.0.0"),
        (suite.auth_finding("0.0.0.0", None, "AUTH is not set"), Level.ERROR, "AUTH is not set"),
        (suite.certificate_finding(NOW, NOW), Level.ERROR, "expired at 2026-05-01"),
        (suite.certificate_finding(NOW + timedelta(days=13), NOW), Level.WARNING, "valid until 2026-05-14"),
        (suite.certificate_finding(NOW + timedelta(days=15), NOW), Level.OK, "valid until"),
        (suite.port_finding("::", 8000, None, ""), Level.OK, "free"),
        (suite.port_finding("::", 8000, "port 8000 is in use", ""), Level.ERROR, "in use; no suite answers"),
        (suite.port_finding("::", 8000, "port 8000 is in use", "healthy"), Level.OK, "a suite answers"),
        (suite.health_finding("healthy", ""), Level.OK, "healthy"),
        (suite.health_finding("degraded", "redis nearly_full"), Level.WARNING, "degraded: redis nearly_full"),
        (suite.health_finding("unhealthy", ""), Level.ERROR, "unhealthy"),
    ],
)
def test_each_fact_has_its_finding(finding: Finding, level: Level, told: str) -> None:
    assert finding.level is level
    assert told in finding.message
    # What is wrong comes with what to do; these take over a sentence that holds it already.
    assert finding.remedy or level is Level.OK or finding.check in ("access", "port")


def test_a_report_is_a_line_for_each_finding() -> None:
    findings = [Finding("cpu", Level.OK, "2 CPUs"), Finding("redis memory", Level.ERROR, "full", "raise maxmemory")]
    assert report_lines(findings) == [
        "ok       cpu           2 CPUs",
        "error    redis memory  full; raise maxmemory",
    ]
    assert not report(findings).ok
    assert report([Finding("cpu", Level.WARNING, "slow")]).ok


@pytest.mark.parametrize("line", ["flags\t\t: fpu avx2 avx512f", "Features\t: fpu avx2 avx512f"])
def test_flags_are_those_of_the_first_processor(line: str) -> None:
    assert cpu_flags(f"processor\t: 0\n{line}\nflags: other\n") == {"fpu", "avx2", "avx512f"}
    assert cpu_flags("") == set()


def test_the_decoders_that_are_promised_are_there() -> None:
    assert ffmpeg_finding().level is Level.OK


def test_memory_limits_of_both_versions_of_cgroups_are_seen() -> None:
    def read(files: dict[str, str], membership: str) -> int | None:
        return cgroup_memory(membership, lambda path: files.get(str(path)))

    root = "/sys/fs/cgroup"
    assert read({f"{root}/a/memory.max": "max\n", f"{root}/memory.max": "2000\n"}, "0::/a") == 2000
    assert read({f"{root}/a/b/memory.max": "500", f"{root}/a/memory.max": "2000"}, "0::/a/b") == 500
    old = {f"{root}/memory/memory.limit_in_bytes": "9223372036854771712", f"{root}/memory/a/memory.limit_in_bytes": "7"}
    assert read(old, "4:cpu:/a\n9:memory:/a") == 7
    assert read(old, "9:memory:/") is None


def test_a_setting_that_is_not_allowed_is_the_only_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in (("MAX_JOBS", "many"), ("PORT", "x"), ("VAD", "ear"), ("TLS_CERT", "/nowhere")):
        with monkeypatch.context() as patched:
            patched.setenv(name, value)
            (found,) = examine()
        assert (found.check, found.level) == ("settings", Level.ERROR)
        assert name in found.message
