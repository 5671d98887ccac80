"""Temporary folders of a launcher, which only its user can read, and removal of those that killed launchers left.

A folder belongs to a process as long as that process holds the lock of the file ``owner`` in it; the kernel frees the
lock however the process ends.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from pathlib import Path

PREFIX = "stt-"
_LOCK = "owner"


class PrivateFolder:
    """A new folder ``stt-<kind>…`` in the system's folder for temporary files, locked until ``remove``."""

    def __init__(self, kind: str = "") -> None:
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX + kind))
        # Locked before it gets its name, so that no other launcher can find it unlocked.
        unnamed = self.path / ".owner"
        self._lock = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        unnamed.rename(self.path / _LOCK)

    def remove(self) -> None:
        """Remove the folder with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def remove_abandoned() -> list[Path]:
    """Remove the folders of this user's launchers that were killed, with the uploads in them; return their paths."""
    removed = []
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            # Never through a link: in a folder that all users share, anybody could have placed it.
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            stack.callback(os.close, folder)
            if os.fstat(folder).st_uid != os.geteuid():
                continue
            lock = os.open(_LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            stack.callback(os.close, lock)
            if not stat.S_ISREG(os.fstat(lock).st_mode):
                continue
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises BlockingIOError while its launcher lives
            shutil.rmtree(path)
            removed.append(path)
    return removed
