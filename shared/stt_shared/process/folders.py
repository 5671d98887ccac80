"""Default folders for persistent data, never relative to the working folder."""

import os
import sys
from pathlib import Path

_FORMER_STORE = Path("data/transcripts.db")


class UnusableFolder(OSError):
    """Raised for a folder that cannot be created or written; the message is for the operator."""


def prepare_folder(path: Path, setting: str) -> Path:
    """Return the absolute path of a folder that only this user can read if it is created here.

    Raises UnusableFolder, which names ``setting``, if it cannot be created or written.
    """
    path = path.expanduser().absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UnusableFolder(f"{setting}={path}: {error.strerror or error}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise UnusableFolder(f"{setting}={path}: no permission to write there")
    return path


def home_folder() -> Path:
    """Return the user's home folder; / for a user who has none, as under a random user id in a container.

    There nobody may write, and the message about it names the setting to use.
    """
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


def default_data_dir() -> Path:
    """Return ``stt-suite`` in the user's application data folder."""
    return _user_data() / "stt-suite"


def default_spool_dir() -> Path:
    """Return the folder for waiting uploads, the same for gateway and audio-processor if they run as the same user."""
    return default_data_dir() / "spool"


def user_models_dir() -> Path:
    """Return the folder of models in the user's cache."""
    return home_folder() / ".cache" / "stt-suite" / "models"


def note_of_former_store() -> str | None:
    """Return a note for the user if the working folder holds transcripts of an earlier version, otherwise None.

    Only for callers whose DATA_DIR is the default.
    """
    if not _FORMER_STORE.is_file():
        return None
    folder = _FORMER_STORE.parent.absolute()
    return (
        f"transcripts of an earlier version are in {folder} and are not shown: set DATA_DIR={folder} to use them "
        f"there, or move the files transcripts.db* to {default_data_dir()}"
    )


def _user_data() -> Path:
    if sys.platform == "darwin":
        return home_folder() / "Library" / "Application Support"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home_folder() / "AppData" / "Local")
    given = Path(os.environ.get("XDG_DATA_HOME") or "")
    # The XDG specification requires programs to ignore a relative path.
    return given if given.is_absolute() else home_folder() / ".local" / "share"
