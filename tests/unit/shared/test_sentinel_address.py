"""URLs of sentinels: what is the sentinels', and what is the server's."""

import pytest

from stt_shared.redis.sentinel import SentinelAddress, is_sentinel_url, sentinel_address

pytestmark = pytest.mark.unit


def test_a_url_of_sentinels_names_them_the_master_and_its_user() -> None:
    url = "rediss+sentinel://user:p%2Fw@a:5000,b,[::1]:7/speech/3?sentinel_username=s&sentinel_password=x%26y&socket_timeout=2"
    assert is_sentinel_url(url)
    assert sentinel_address(url) == SentinelAddress(
        (("a", 5000), ("b", 26379), ("::1", 7)),
        "speech",
        "rediss://user:p%2Fw@sentinel/3?socket_timeout=2",
        {"username": "s", "password": "x&y"},
    )


@pytest.mark.parametrize("url", ["redis://a:26379/0", "redis+cluster://a:6379", "unix:///run/redis.sock"])
def test_other_urls_name_no_sentinels(url: str) -> None:
    assert not is_sentinel_url(url)


def test_the_database_is_number_0_unless_told_otherwise() -> None:
    assert sentinel_address("redis+sentinel://a/speech") == SentinelAddress(
        (("a", 26379),), "speech", "redis://sentinel/", {}
    )
