"""Whisper on ONNX Runtime."""
