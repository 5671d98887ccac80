"""Rules for docker-compose.yml and the Dockerfiles that can be checked without Docker."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from stt_audio.isolation.limits import MAX_MEMORY_BYTES
from stt_audio.settings import AudioSettings
from stt_shared.streams.acl import USERS

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
STREAM_BYTES, STREAM_THREADS = 12 << 20, 5
"""What the decoder of a compressed stream takes in general, in its process."""
SERVICES = {"api-gateway": "gateway", "audio-processor": "audio", "transcriber": "transcriber"}
IMAGES = {**SERVICES, "cli": "bridges"}
"""By the folder of its Dockerfile: the extra that an image installs."""
OTHER_SOURCES = {"api-gateway": ["client-js"], "cli": ["client", "client-js", "api-gateway"]}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def dockerfile(service: str) -> str:
    return (ROOT / service / "Dockerfile").read_text().replace("\\\n", " ")


def final_stage(service: str) -> str:
    return dockerfile(service).rsplit("\nFROM ", 1)[1]


def test_the_services_are_the_four_the_one_that_fetches_the_model_the_proxy_and_the_bridges(
    compose: dict[str, Any],
) -> None:
    optional = {"caddy", "wyoming", "audiosocket", "prometheus", "grafana"}
    assert set(compose["services"]) == {"redis", "model-fetch", *optional, *SERVICES}


@pytest.mark.parametrize(("name", "port"), [("wyoming", 10300), ("audiosocket", 9092)])
def test_a_bridge_is_started_only_if_asked_for_and_for_this_host_alone(
    compose: dict[str, Any], name: str, port: int
) -> None:
    bridge = compose["services"][name]
    assert bridge["profiles"] == [name]
    variable = name.upper()
    assert bridge["ports"] == [f"${{{variable}_HOST:-127.0.0.1}}:${{{variable}_PORT:-{port}}}:{port}"]
    assert bridge["networks"] == ["outside"]
    assert "volumes" not in bridge
    assert bridge["environment"]["STT_URL"] == "http://api-gateway:8000"


def test_the_proxy_is_started_only_if_asked_for_and_holds_nothing_but_certificates(compose: dict[str, Any]) -> None:
    caddy = compose["services"]["caddy"]
    assert caddy["profiles"] == ["tls"]
    assert caddy["cap_add"] == ["NET_BIND_SERVICE"]
    assert caddy["ports"] == ["80:80", "443:443"]
    assert caddy["networks"] == ["outside"]
    assert caddy["volumes"] == ["./deploy/Caddyfile:/etc/caddy/Caddyfile:ro", "caddy:/data"]
    served = (ROOT / "deploy" / "Caddyfile").read_text()
    assert "{$STT_DOMAIN:localhost} {" in served
    assert "{$STT_GATEWAY:api-gateway:8000}" in served
    assert "${STT_DOMAIN:-}" in compose["services"]["api-gateway"]["environment"]["ALLOWED_HOSTS"].split(",")


def test_every_container_is_as_harmless_as_it_can_be(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        # The proxy's volume belongs to root, who has no rights there but that of the owner.
        assert (service["user"] in ("root", "0", "0:0")) == (name == "caddy"), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name


def bytes_of(limit: str) -> int:
    """``2g``, or the default of ``${NAME:-2g}``."""
    found = re.fullmatch(r"(?:\$\{\w+:-)?(\d+)(gb?|mb?)\}?", limit)
    assert found is not None, limit
    return int(found.group(1)) << {"g": 30, "m": 20}[found.group(2)[0]]


def test_every_container_has_limits_of_memory_and_processes(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert bytes_of(service["mem_limit"]) >= 1 << 30, name
        assert 256 <= service["pids_limit"] <= 4096, name


def test_a_container_has_room_for_what_its_service_may_use(compose: dict[str, Any]) -> None:
    services = compose["services"]
    files_bytes = AudioSettings.model_fields["audio_max_jobs"].default * 1.5 * MAX_MEMORY_BYTES
    sessions = AudioSettings.model_fields["audio_max_sessions"].default
    assert bytes_of(services["audio-processor"]["mem_limit"]) >= (1 << 30) + files_bytes + sessions * STREAM_BYTES
    command = services["redis"]["command"]
    redis_bytes = bytes_of(command[command.index("--maxmemory") + 1])
    assert bytes_of(services["redis"]["mem_limit"]) >= 1.5 * redis_bytes
    assert services["audio-processor"]["pids_limit"] > STREAM_THREADS * sessions


def test_any_service_can_be_scaled(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert "container_name" not in service, name
        assert "hostname" not in service, name
        # A host port can be taken once: only those have one that run once.
        assert ("ports" in service) == (name in ("api-gateway", "caddy", "wyoming", "audiosocket", "grafana")), name


def test_services_wait_until_redis_and_the_model_are_there(compose: dict[str, Any]) -> None:
    for name in SERVICES:
        assert compose["services"][name]["depends_on"]["redis"] == {"condition": "service_healthy"}
    fetched = compose["services"]["transcriber"]["depends_on"]["model-fetch"]
    assert fetched == {"condition": "service_completed_successfully"}


def test_redis_keeps_nothing_forgets_nothing_and_lets_no_subscriber_lag(compose: dict[str, Any]) -> None:
    command = compose["services"]["redis"]["command"]
    options = " ".join(command)
    assert compose["services"]["redis"]["image"] == "redis:7-alpine"
    assert "--save  --appendonly no" in options
    assert "--maxmemory-policy noeviction" in options
    assert "--client-output-buffer-limit pubsub 8mb 2mb 5" in options
    assert "healthcheck" in compose["services"]["redis"]


def test_gateway_and_audio_processor_share_the_spool_and_all_transcribers_the_model(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name in ("api-gateway", "audio-processor"):
        assert "spool:/spool" in services[name]["volumes"]
        assert services[name]["environment"]["SPOOL_DIR"] == "/spool"
    assert services["transcriber"]["volumes"] == ["models:/models:ro"]
    assert services["model-fetch"]["volumes"] == ["models:/models"]
    assert services["transcriber"]["environment"]["MODELS_DIR"] == "/models"
    assert services["model-fetch"]["environment"]["MODELS_DIR"] == "/models"
    assert set(compose["volumes"]) == {"spool", "models", "data", "caddy", "prometheus"}


def test_the_model_that_is_fetched_is_the_model_that_is_used(compose: dict[str, Any]) -> None:
    used = compose["services"]["transcriber"]["environment"]["WHISPER_MODEL"]
    assert compose["services"]["model-fetch"]["command"][-2] == used == "${WHISPER_MODEL:-base}"


def test_only_what_must_reach_the_world_can(compose: dict[str, Any]) -> None:
    assert compose["networks"]["inside"] == {"internal": True}
    inside_only = {name for name, service in compose["services"].items() if service["networks"] == ["inside"]}
    assert inside_only == {"redis", "audio-processor", "transcriber"}


def test_other_containers_may_call_the_gateway_by_its_service_name(compose: dict[str, Any]) -> None:
    assert compose["services"]["api-gateway"]["environment"]["ALLOWED_HOSTS"].split(",")[0] == "api-gateway"


def test_the_published_address_is_that_of_stt_host_before_host(compose: dict[str, Any]) -> None:
    (port,) = compose["services"]["api-gateway"]["ports"]
    assert port == "${STT_HOST:-${HOST:-127.0.0.1}}:${PORT:-8000}:8000"


def test_nobody_is_killed_while_draining(compose: dict[str, Any]) -> None:
    drain_s = int(re.search(r":-(\d+)", compose["services"]["api-gateway"]["environment"]["DRAIN_TIMEOUT_S"]).group(1))  # type: ignore[union-attr]
    for name in SERVICES:
        assert int(compose["services"][name]["stop_grace_period"].removesuffix("s")) > drain_s
        assert compose["services"][name]["init"] is True


def test_every_variable_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert re.findall(r"\$\{\w+\}|\$\w+", text) == []


@pytest.mark.parametrize(("service", "extra"), IMAGES.items())
def test_an_image_holds_its_own_service_only(service: str, extra: str) -> None:
    text = dockerfile(service)
    assert extra in PROJECT["optional-dependencies"]
    assert f"pip install --disable-pip-version-check --require-hashes -r requirements/{extra}.lock" in text
    assert re.search(r"pip install --disable-pip-version-check --no-deps \.\s", text)
    copied = re.findall(r"^COPY (?!--)(.+?) \S+$", text, re.MULTILINE)
    others = OTHER_SOURCES.get(service, [])
    assert copied == [f"requirements/{extra}.lock", "pyproject.toml README.md", "shared", *others, service]
    for paths in copied:
        for path in paths.split():
            assert (ROOT / path).exists()


@pytest.mark.parametrize("service", IMAGES)
def test_no_build_needs_a_registry_for_its_syntax(service: str) -> None:
    assert "syntax=" not in (ROOT / service / "Dockerfile").read_text()


@pytest.mark.parametrize("service", IMAGES)
def test_an_image_is_built_in_stages_and_does_not_run_as_root(service: str) -> None:
    text, final = dockerfile(service), final_stage(service)
    assert text.count("\nFROM ") == 2
    assert not re.search(r"^FROM \S*(alpine|latest)", text, re.MULTILINE)
    assert "USER 10001:10001" in final
    assert "pip install" not in final
    assert "HEALTHCHECK" in final
    assert not re.search(r"(?i)(password|secret|token)\s*=", text)


@pytest.mark.parametrize("service", IMAGES)
def test_an_image_has_labels_with_the_version_of_the_project(service: str) -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\S+?)="([^"]*)"', final_stage(service)))
    base = re.match(r"(\S+)", final_stage(service))
    assert base is not None
    assert labels["version"] == PROJECT["version"]
    assert labels["revision"] == "$REVISION"
    assert labels["base.name"] == f"docker.io/library/{base.group(1)}"
    assert labels["title"]
    assert labels["description"]


@pytest.mark.parametrize("service", IMAGES)
def test_only_the_image_that_fetches_models_keeps_pip(service: str) -> None:
    # Models also come from package indexes.
    assert ("/venv/bin/pip uninstall " in dockerfile(service)) == (service != "transcriber")


@pytest.mark.parametrize("service", SERVICES)
def test_folders_for_volumes_belong_to_the_user_before_anything_is_mounted(
    service: str, compose: dict[str, Any]
) -> None:
    for volume in compose["services"][service]["volumes"]:
        assert f"install -d -o stt -g stt {volume.split(':')[1]}" in final_stage(service)


@pytest.mark.parametrize("service", IMAGES)
def test_what_an_image_starts_is_there(service: str) -> None:
    module = re.search(r'CMD \["python", "-m", "(\w+)"[^\]]*\]\s*$', final_stage(service))
    assert module is not None
    assert (ROOT / service / module.group(1) / "__main__.py").exists()


def test_the_build_context_holds_what_the_dockerfiles_copy_and_little_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    kept = {line[1:] for line in lines if line.startswith("!")}
    assert kept == {"pyproject.toml", "README.md", "requirements", "shared", "client", "client-js", *IMAGES}


@pytest.mark.parametrize("service", ["audio-processor", "transcriber"])
def test_a_health_check_reads_the_file_that_the_service_writes(service: str) -> None:
    assert 'CMD ["python", "-m", "stt_shared.work.healthcheck"]' in final_stage(service)
    assert "HEALTH_FILE=/tmp/health" in final_stage(service)


def test_each_service_may_have_a_user_of_redis_with_a_password(compose: dict[str, Any]) -> None:
    override = yaml.safe_load((ROOT / "deploy" / "compose.redis-users.yml").read_text())["services"]
    users = {user.name: user for user in USERS}
    for service, user in (("api-gateway", "gateway"), ("audio-processor",) * 2, ("transcriber",) * 2):
        url = override[service]["environment"]["REDIS_URL"]
        assert url == f"redis://{user}:${{{users[user].password_variable}:-}}@redis:6379/0"
        assert compose["services"][service]["environment"]["REDIS_URL"] == "redis://redis:6379/0"
    # A command is replaced as a whole.
    base = compose["services"]["redis"]["command"]
    assert override["redis"]["command"] == [*base, "--aclfile", "/etc/redis-users.acl"]
    assert override["redis"]["volumes"] == ["./users.acl:/etc/redis-users.acl:ro"]
