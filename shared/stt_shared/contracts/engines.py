"""Names of the engines that can run a Whisper model; the only list of them."""

import enum


class EngineName(enum.StrEnum):
    """Values of ``WHISPER_ENGINE``."""

    AUTO = "auto"
    """ONNX Runtime on a CPU if it can run the model, otherwise faster-whisper."""
    ONNXRUNTIME = "onnxruntime"
    FASTER_WHISPER = "faster-whisper"
    OPENAI_WHISPER = "openai-whisper"
    INSTANT = "instant"
    """An engine that returns one fixed word per decode at once, for measuring everything but the model."""
