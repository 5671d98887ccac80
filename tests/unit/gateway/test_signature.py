"""Signatures of callbacks."""

import base64

import pytest

from stt_gateway.core.outbound.signature import secret_text, secrets_of, signature_headers, tenant_key

pytestmark = pytest.mark.unit

# The example of the Standard Webhooks specification, and of its libraries' tests.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIMESTAMP_S, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'


def test_it_is_the_one_of_the_specification() -> None:
    assert signature_headers(secrets_of(SECRET), ID, TIMESTAMP_S, BODY) == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_while_one_secret_replaces_another_both_sign() -> None:
    other = "whsec_" + base64.b64encode(bytes(32)).decode()
    first, second = signature_headers(secrets_of(f"{SECRET}, {other}"), ID, TIMESTAMP_S, BODY)[
        "webhook-signature"
    ].split()
    assert first == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert second.startswith("v1,")
    assert second != first


def test_each_tenant_has_its_own_key_and_that_of_local_is_the_secret() -> None:
    (secret,) = secrets_of(SECRET)
    assert secret_text(tenant_key(secret, "local")) == SECRET
    keys = {tenant_key(secret, tenant) for tenant in ("local", "acme", "globex")}
    assert len(keys) == 3
    assert secrets_of(secret_text(tenant_key(secret, "acme"))) == (tenant_key(secret, "acme"),)


@pytest.mark.parametrize("setting", ["secret", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!", f"{SECRET},short"])
def test_a_secret_that_is_none_is_refused_without_being_repeated(setting: str) -> None:
    with pytest.raises(ValueError, match="at least 24 bytes") as refusal:
        secrets_of(setting)
    assert "short" not in str(refusal.value)
    assert "c2hvcnQ" not in str(refusal.value)


def test_no_secret_is_allowed() -> None:
    assert secrets_of("") == ()
