"""Lints the Helm chart, renders it as an installation would, and checks what comes out: against the schemas of the
oldest and the newest Kubernetes, and against rules for every container. Needs no cluster.

Runs in an environment with the packages helm-python-sdk (the official library of Helm) and kubernetes-validate.
"""

import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import yaml

ROOT = Path(__file__).parents[1]
CHART = ROOT / "deploy" / "helm" / "stt"
EXAMPLES = ROOT / "deploy" / "helm" / "examples"
KUBERNETES = ("1.28", "1.37")
OTHER_SCHEMAS = {"ServiceMonitor", "PrometheusRule", "ScaledObject"}
"""Kinds of the Prometheus operator and of KEDA, whose schemas do not come with Kubernetes."""
TRIAL: dict[str, Any] = {"redis": {"deploy": True}, "gateway": {"replicas": 1}}
ANY_USER: dict[str, Any] = {**TRIAL, "podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}}
"""As OpenShift wants it."""
REFUSED: dict[str, dict[str, Any]] = {
    "exactly one of redis.url": {"gateway": {"replicas": 1}},
    "several gateways need PostgreSQL": {"redis": {"deploy": True}},
    "not both": {**TRIAL, "database": {"url": "postgresql://h/d", "existingSecret": "s"}},
    "needs ingress.host": {**TRIAL, "ingress": {"enabled": True}},
    "needs autoscaling.prometheusUrl": {**TRIAL, "autoscaling": {"live": {"enabled": True}}},
    "needs fileTranscriber.enabled": {
        **TRIAL,
        "autoscaling": {"prometheusUrl": "http://p", "files": {"enabled": True}},
    },
    "replica": {**TRIAL, "gateway": {"replica": 1}},
    "loglevel": {**TRIAL, "settings": {"loglevel": "INFO"}},
    "/auth": {**TRIAL, "auth": "maybe"},
}
"""Part of the message, by values that the chart must refuse."""


class CheckError(Exception):
    """What is wrong, in one line."""


def documents(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the objects of an installation with these values."""
    with helm_python.Chart.load(CHART) as chart:
        files = chart.render(values, name="demo", namespace="speech")
    texts = (text for path, text in sorted(files.items()) if not path.endswith("NOTES.txt"))
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def check_schemas(name: str, objects: list[dict[str, Any]]) -> None:
    """Raise CheckError for an object that Kubernetes would refuse."""
    for each in objects:
        if each["kind"] in OTHER_SCHEMAS:
            continue
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(each, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                where = ".".join(map(str, error.path))
                raise CheckError(
                    f"{name}: {each['kind']} {each['metadata']['name']} {where}: {error.message}"
                ) from None


def pods(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the pod of each deployment."""
    for each in objects:
        if each["kind"] == "Deployment":
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]


def check_pods(name: str, objects: list[dict[str, Any]], settings: set[str]) -> None:
    """Raise CheckError for a pod that may do more than it needs, or has a variable that nobody reads."""
    policies = {each["metadata"]["name"] for each in objects if each["kind"] == "NetworkPolicy"}
    for pod_name, pod in pods(objects):
        if pod["automountServiceAccountToken"] or not pod["securityContext"]["runAsNonRoot"]:
            raise CheckError(f"{name}: {pod_name} has a token of Kubernetes, or may be root")
        if pod_name not in policies:
            raise CheckError(f"{name}: {pod_name} has no network policy")
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            context = container["securityContext"]
            if not context["readOnlyRootFilesystem"] or context["capabilities"]["drop"] != ["ALL"]:
                raise CheckError(f"{name}: {pod_name} {container['name']} may write or has capabilities")
            if "memory" not in container["resources"]["limits"]:
                raise CheckError(f"{name}: {pod_name} {container['name']} has no limit of memory")
            if pod_name.endswith("-redis") or container in pod.get("initContainers", []):
                continue
            names = {variable["name"] for variable in container["env"]}
            unknown = {name for name in names - settings if not name.startswith("OTEL_")}
            if unknown:
                raise CheckError(f"{name}: {pod_name} has settings that nobody reads: {', '.join(sorted(unknown))}")
            if not {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys():
                raise CheckError(f"{name}: {pod_name} lacks a probe")


def check_refusals() -> None:
    """Raise CheckError where values that cannot work are accepted, or refused without saying why."""
    for part, values in REFUSED.items():
        try:
            documents(values)
        except helm_python.HelmError as error:
            if part not in str(error):
                raise CheckError(f"values {values} are refused without {part!r}: {error}") from None
        else:
            raise CheckError(f"values {values} are accepted")


def check() -> str:
    """Check everything; return what was checked. Raises CheckError."""
    settings = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE))
    cases = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(EXAMPLES.glob("*.yaml"))}
    cases |= {"any user": ANY_USER}
    count = 0
    for name, values in cases.items():
        findings = helm_python.lint(CHART, values, strict=True)
        problems = [*findings["errors"], *(m["error"] for m in findings["messages"] if m["severity"] > 1)]
        if problems:
            raise CheckError(f"{name}: {problems[0]}")
        objects = documents(values)
        check_schemas(name, objects)
        check_pods(name, objects, settings)
        count += len(objects)
    logging.disable(logging.CRITICAL)
    check_refusals()
    return f"{count} objects of {len(cases)} installations keep to Kubernetes {' and '.join(KUBERNETES)}"


def main() -> int:
    """Print what was checked, or the first thing that is wrong."""
    try:
        print(f"Helm chart: {check()}")  # noqa: T201
    except (CheckError, helm_python.HelmError) as error:
        print(f"Helm chart: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
