"""The names of the engines that can run a Whisper model; the one list of them."""

import enum


class EngineName(enum.StrEnum):
    """What ``WHISPER_ENGINE`` may be."""

    AUTO = "auto"
    """ONNX Runtime on a CPU if it can run the model, otherwise faster-whisper."""
    ONNXRUNTIME = "onnxruntime"
    FASTER_WHISPER = "faster-whisper"
    OPENAI_WHISPER = "openai-whisper"
    INSTANT = "instant"
    """Answers at once with one fixed word per decode: for measuring everything but the model."""
