"""REDIS_URL before anything connects: what is wrong with it, and no secret in what is said."""

from pathlib import Path

import pytest
import redis

from stt_shared.redis.address import check_url, unusable, without_secrets

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis://localhost",
        "redis://:secret@localhost:6379/15",
        "redis://[::1]:6379/0?socket_timeout=3&max_connections=9",
        "rediss://user:p%2Fw@localhost:6380/0?ssl_cert_reqs=none&ssl_check_hostname=false",
        "unix:///run/redis.sock?db=1&password=secret",
        "redis+cluster://user:secret@a:6379,b:6379",
        "rediss+cluster://a:6379/0?ssl_cert_reqs=none",
        "redis+sentinel://user:secret@a:26379,b/speech/2",
        "rediss+sentinel://a/speech?sentinel_password=other&ssl_cert_reqs=none",
    ],
)
def test_what_redis_py_understands_is_accepted(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("rubbish", "begin with redis://"),
        ("localhost:6379", "begin with redis://"),
        ("http://localhost:6379", "begin with redis://"),
        ("redis://[::1", "redis://USER:PASSWORD@HOST"),
        ("redis://here:99999", "redis://USER:PASSWORD@HOST"),
        ("redis://localhost:6379/abc", "number of a database"),
        ("redis://localhost:6379/-1", "number of a database"),
        ("redis+cluster://a:6379/1", "only the database 0"),
        ("redis+sentinel://a:26379", "name of the master"),
        ("redis+sentinel://a:99999/speech", "redis://USER:PASSWORD@HOST"),
        ("redis+sentinel://a/speech/abc", "number of a database"),
        ("redis+sentinel://a/speech?nosuch=1", "no option nosuch"),
        ("unix://", "names no socket"),
        ("unix:///run/redis.sock?db=abc", "'db'"),
        ("redis://localhost?nosuch=1", "no option nosuch"),
        ("redis://localhost?ssl_ca_certs=/ca.pem", "no option ssl_ca_certs"),
        ("redis+cluster://a:6379?nosuch=1", "no option nosuch"),
        ("redis://localhost?socket_timeout=soon", "'socket_timeout'"),
        ("rediss://localhost?ssl_cert_reqs=CERT_NONE", "ssl_cert_reqs"),
        ("rediss://localhost?ssl_ca_certs=/nosuch/ca.pem", "ssl_ca_certs cannot be used: No such file"),
        ("rediss://localhost?ssl_certfile=/nosuch/me.pem", "ssl_certfile cannot be used: No such file"),
        ("rediss://localhost?ssl_ca_certs=/dev/null", "ssl_ca_certs cannot be used"),
    ],
)
def test_a_url_that_is_wrong_is_named(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"^REDIS_URL") as caught:
        check_url(url)
    assert said in str(caught.value)


@pytest.mark.parametrize("password", ["s3cret/pw", "s3cret#pw", "s3cret?pw", "6379/s3cret", "6379#s3cret"])
def test_a_password_that_cuts_the_url_is_not_said(password: str) -> None:
    with pytest.raises(ValueError, match="are written %2F") as caught:
        check_url(f"redis://user:{password}@localhost:6379/0")
    assert "s3cret" not in str(caught.value)


def test_passwords_never_reach_a_message() -> None:
    assert without_secrets("rediss://user:pa@ss@host:6380/1") == "rediss://host:6380/1"
    assert without_secrets("unix:///run/redis.sock") == "unix:///run/redis.sock"
    assert without_secrets("unix:///run/redis.sock?password=secret&db=1") == "unix:///run/redis.sock"


@pytest.mark.parametrize(
    ("url", "cause", "advice"),
    [
        ("redis://a", "Error while reading from a:6379 : (104, 'Connection reset by peer')", "write rediss://"),
        ("redis+cluster://a", "Connection closed by server.", "write rediss+cluster://"),
        ("rediss://a", "Timeout connecting to server", "write redis://"),
        ("rediss://a", "[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate in chain", "?ssl_ca_certs=/PATH"),
        ("rediss://a", "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED]", "?ssl_certfile=/PATH"),
        ("redis+cluster://a", "Cluster mode is not enabled on this node", "write redis://"),
        ("redis://a", "DENIED Redis is running in protected mode because …", "set requirepass there"),
    ],
)
def test_a_server_that_speaks_otherwise_is_said_with_what_helps(url: str, cause: str, advice: str) -> None:
    line = unusable(redis.ConnectionError(cause), url)
    assert line.startswith("cannot ")
    assert advice in line
    assert line.endswith("; check REDIS_URL")


def test_a_certificate_needs_its_own_key(tmp_path: Path) -> None:
    (tmp_path / "me.pem").write_text("no certificate")
    with pytest.raises(ValueError, match="the files of ssl_certfile cannot be used"):
        check_url(f"rediss://localhost?ssl_certfile={tmp_path}/me.pem")
