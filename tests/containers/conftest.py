"""The suite in containers; everything skips where no Docker engine answers."""

from collections.abc import Iterator

import pytest

from containers.compose import Compose, remove_images, why_no_engine


@pytest.fixture(scope="session")
def images() -> Iterator[None]:
    """Built once for all tests."""
    if reason := why_no_engine():
        pytest.skip(reason)
    Compose().down()
    Compose()("build")
    yield
    remove_images()
