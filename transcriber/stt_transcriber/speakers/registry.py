"""The speaker model of a process, loaded when it is first needed."""

import threading
from pathlib import Path

from stt_transcriber.models.registry import SPEAKER_MODEL
from stt_transcriber.models.store import ModelError, resolve
from stt_transcriber.speakers.base import SpeakerModel


class LazySpeakerModel:
    """The model in ``models_dir``; ``get`` loads it once, in whichever thread comes first."""

    def __init__(self, models_dir: Path) -> None:
        self._models_dir = models_dir
        self._lock = threading.Lock()
        self._model: SpeakerModel | None = None

    @property
    def is_installed(self) -> bool:
        """Whether the model is in the folder."""
        try:
            resolve(SPEAKER_MODEL, self._models_dir)
        except ModelError:
            return False
        return True

    def get(self) -> SpeakerModel:
        """Return the model. Raises ModelError if it is not installed or cannot be loaded; a later call tries again."""
        with self._lock:
            if self._model is None:
                folder = resolve(SPEAKER_MODEL, self._models_dir)
                try:
                    # Imported here, so that its libraries are loaded only where speakers are wanted.
                    from stt_transcriber.speakers.resnet import load

                    self._model = load(folder)
                except (ImportError, OSError, RuntimeError, ValueError) as error:
                    raise ModelError(f"the model in {folder} cannot be loaded: {error}") from error
            return self._model
