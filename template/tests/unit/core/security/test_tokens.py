"""`AccessTokens`: tokens of this service are read, and no others.

The cases follow RFC 8725 (best current practices), the attacks it lists, and the groups of C2SP Wycheproof's tests of
JSON Web Signature.
"""

import base64
import hashlib
import hmac
import json
import time
from typing import Any
from uuid import uuid4

import jwt
import pytest

from app.core.exceptions import AuthenticationError, ConfigurationError
from app.core.security import AccessTokens, Principal

SECRET = "k3y-of-the-tests-7f1c9a20d4b86e35"
HEADER = {"alg": "HS256", "typ": "at+jwt"}
# The signing key: derived from the secret, for this purpose only.
KEY = hmac.digest(SECRET.encode(), b"access-token", hashlib.sha256)


def tokens(**changes: Any) -> AccessTokens:
    usual = {"secret": SECRET, "issuer": "shop", "lifetime_seconds": 900, "leeway_seconds": 10}
    return AccessTokens(**{**usual, **changes})


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    ids = {name: str(uuid4()) for name in ("sub", "sid", "jti")}
    usual = {"iss": "shop", "aud": "shop", **ids, "iat": now, "exp": now + 900, "scope": "items:read"}
    return {name: value for name, value in {**usual, **changes}.items() if value is not ...}


def part(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(payload: object, *, header: object = HEADER, key: bytes = KEY, digest: str = "sha256") -> str:
    """Return a token with a right signature over any header and payload."""
    text = f"{part(header)}.{part(payload)}"
    return f"{text}.{part(hmac.digest(key, text.encode(), digest))}"


def refused(token: str, **changes: Any) -> str:
    with pytest.raises(AuthenticationError) as caught:
        tokens(**changes).read(token)
    return caught.value.message


def test_read_returns_the_caller_of_an_issued_token() -> None:
    user_id, session_id = uuid4(), uuid4()
    issued = {tokens().issue(user_id=user_id, session_id=session_id, scopes=["b", "a"]) for _ in range(50)}

    assert len(issued) == 50, "no two tokens are the same"
    expected = Principal(user_id=user_id, session_id=session_id, scopes=frozenset({"a", "b"}))
    assert {tokens().read(each) for each in issued} == {expected}
    # The tests can write a good token: otherwise every refusal below could have another reason.
    assert tokens().read(signed(claims(scope=""))).scopes == frozenset()


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "typ": "at+jwt"},
        {"alg": None, "typ": "at+jwt"},
        {"typ": "at+jwt"},
        {"alg": "HS512", "typ": "at+jwt"},
        {"alg": "RS256", "typ": "at+jwt"},
        {"alg": "HS256", "typ": "JWT"},
        {"alg": "HS256", "typ": "at+jwt", "kid": "../../dev/null"},
        {"alg": "HS256", "typ": "at+jwt", "jku": "https://attacker.example.com/keys"},
        {"alg": "HS256", "typ": "at+jwt", "b64": False, "crit": ["b64"]},
        {"typ": "at+jwt", "alg": "HS256"},
        [],
        b"\xff\xfe",
        b"[" * 40_000,
        b'{"alg":"none","alg":"HS256","typ":"at+jwt"}',
    ],
    ids=lambda header: str(header)[:60],
)
def test_read_refuses_any_other_header_with_a_right_signature(header: object) -> None:
    refused(signed(claims(), header=header))


def test_read_refuses_wrong_signatures() -> None:
    good = signed(claims())
    text, _, signature = good.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "=")
    other = signed(claims()).split(".")

    for forged in (raw[:-1], b"", raw + b"\0", bytes(32), raw[::-1], bytes([raw[0] ^ 1]) + raw[1:]):
        refused(f"{text}.{part(forged)}")
    for key in (SECRET.encode(), hmac.digest(SECRET.encode(), b"refresh-token", hashlib.sha256), KEY[:31]):
        refused(signed(claims(), key=key))
    for digest in ("sha1", "sha512"):
        refused(signed(claims(), digest=digest))
    for payload in (other[1], *(f"{other[1][:at]}~{other[1][at + 1 :]}" for at in range(0, 200, 7))):
        refused(f"{part(HEADER)}.{payload}.{signature}")
    unsigned = f"{part({'alg': 'none', 'typ': 'at+jwt'})}.{part(claims())}"
    refused(unsigned)
    refused(f"{unsigned}.")


def mangled(token: str) -> list[str]:
    header, payload, signature = token.split(".")
    return [
        "",
        "..",
        f"{token}.",
        f".{token}",
        f"{token}.{signature}",
        f"{header}.{payload}",
        f"{header}..{signature}",
        f"{token}=",
        f"{token}\n",
        f" {token}",
        f"{header}.{payload[:5]}!{payload[5:]}.{signature}",
        f"{header}.{payload}.{signature[:5]}*{signature[5:]}",
        f"{token}\0",
        f"Bearer {token}",
        f"{header}.{payload}.{signature[:-1]}é",
        json.dumps({"protected": header, "payload": payload, "signature": signature}),
        f"{token},{token}",
    ]


@pytest.mark.parametrize("case", range(17))
def test_read_refuses_malformed_parts_and_bad_base64(case: int) -> None:
    refused(mangled(signed(claims()))[case])


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "sid", "jti", "iat", "exp", "scope"])
def test_read_requires_every_claim(name: str) -> None:
    refused(signed(claims(**{name: ...})))


@pytest.mark.parametrize(
    "changes",
    [{"iss": "billing"}, {"aud": "billing"}, {"aud": ["billing"]}, {"sub": "1 OR 1=1"}, {"sid": "x" * 36}, {"exp": 0}],
    ids=str,
)
def test_read_refuses_claims_of_another_service(changes: dict[str, Any]) -> None:
    refused(signed(claims(**changes)))


@pytest.mark.parametrize("payload", [[], "text", None, b"", b"\xff", b"{"], ids=str)
def test_read_refuses_a_payload_that_is_no_object(payload: object) -> None:
    refused(signed(payload))


def test_read_allows_the_leeway_and_no_more() -> None:
    now = int(time.time())

    assert tokens().read(signed(claims(iat=now - 900, exp=now - 5))).scopes
    assert tokens().read(signed(claims(iat=now + 5, exp=now + 905))).scopes
    refused(signed(claims(iat=now - 900, exp=now - 11)))
    refused(signed(claims(iat=now + 30, exp=now + 930)))


def test_a_token_that_was_found_good_still_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    service = tokens()
    token = service.issue(user_id=uuid4(), session_id=uuid4(), scopes=())
    service.read(token)
    now = time.time()

    monkeypatch.setattr("app.core.security.tokens.time.time", lambda: now + 909)
    service.read(token)
    monkeypatch.setattr("app.core.security.tokens.time.time", lambda: now + 911)

    with pytest.raises(AuthenticationError):
        service.read(token)


def test_read_refuses_a_token_that_is_good_for_longer_than_the_setting() -> None:
    """Shortening the lifetime holds for tokens that were issued before, too."""
    refused(tokens().issue(user_id=uuid4(), session_id=uuid4(), scopes=()), lifetime_seconds=600)


def test_read_refuses_an_oversized_token_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwt, "decode", lambda *_args, **_kwargs: pytest.fail("decoded"))

    refused(signed(claims(scope="x" * 5000)))


def test_a_refusal_does_not_tell_its_reason() -> None:
    cases = (signed(claims(exp=1)), signed(claims(), key=b"x" * 32), "garbage")

    assert len({refused(each) for each in cases}) == 1
    assert not any(each in refused(each) for each in cases)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="less than 32 bytes"):
        tokens(secret="x" * 31)
