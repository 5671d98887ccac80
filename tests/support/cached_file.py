"""Files of other projects that tests need, fetched once into the user's cache."""

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path


def cached_file(path: Path, sha256: str, fetch: Callable[[], bytes], mismatch: Exception) -> Path:
    """Return ``path``, fetched if it is missing. Raises ``mismatch`` when ``fetch`` returns other content."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        data = fetch()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise mismatch
        # Renamed at the end: two test runs may fetch at once.
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(data)
        Path(file.name).replace(path)
    return path
