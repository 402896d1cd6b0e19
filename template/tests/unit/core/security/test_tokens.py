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

import pytest
import time_machine

from app.core.exceptions import AuthenticationError
from app.core.security import AccessTokens, Principal

SECRET = "k3y-of-the-tests-7f1c9a20d4b86e35"
HEADER = {"alg": "HS256", "typ": "at+jwt"}
# The signing key: derived from the secret, for this purpose only.
KEY = hmac.digest(SECRET.encode(), b"access-token", hashlib.sha256)


def tokens(*, lifetime_seconds: int = 900) -> AccessTokens:
    return AccessTokens(secret=SECRET, issuer="shop", lifetime_seconds=lifetime_seconds, leeway_seconds=10)


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


def refuse(*refused: str, by: AccessTokens | None = None) -> None:
    """Require that tokens are refused, in words that do not tell the reason."""
    for token in refused:
        with pytest.raises(AuthenticationError) as caught:
            (by or tokens()).read(token)
        assert caught.value.message == "The access token is invalid or has expired."


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
        {"typ": "at+jwt"},
        {"alg": "HS512", "typ": "at+jwt"},
        {"alg": "RS256", "typ": "at+jwt"},
        {"alg": "HS256", "typ": "JWT"},
        {"alg": "HS256", "typ": "at+jwt", "kid": "../../dev/null"},
        {"alg": "HS256", "typ": "at+jwt", "jku": "https://attacker.example.com/keys"},
        {"alg": "HS256", "typ": "at+jwt", "b64": False, "crit": ["b64"]},
        {"typ": "at+jwt", "alg": "HS256"},
        b"[" * 40_000,
        b'{"alg":"none","alg":"HS256","typ":"at+jwt"}',
    ],
    ids=lambda header: str(header)[:60],
)
def test_read_refuses_any_other_header_with_a_right_signature(header: object) -> None:
    refuse(signed(claims(), header=header))


def test_read_refuses_wrong_signatures() -> None:
    text, _, signature = signed(claims()).rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "=")

    for forged in (raw[:-1], b"", raw + b"\0", bytes(32), raw[::-1], bytes([raw[0] ^ 1]) + raw[1:]):
        refuse(f"{text}.{part(forged)}")
    for key in (SECRET.encode(), hmac.digest(SECRET.encode(), b"refresh-token", hashlib.sha256), KEY[:31]):
        refuse(signed(claims(), key=key))
    refuse(*(signed(claims(), digest=digest) for digest in ("sha1", "sha512")))
    refuse(f"{part(HEADER)}.{part(claims())}.{signature}")
    unsigned = f"{part({'alg': 'none', 'typ': 'at+jwt'})}.{part(claims())}"
    refuse(unsigned, f"{unsigned}.")


def test_read_refuses_malformed_parts_and_bad_base64() -> None:
    token = signed(claims())
    header, payload, signature = token.split(".")
    refuse("", "..", f"{token}.", f".{token}", f"{token}.{signature}", f"{header}.{payload}", f"{header}..{signature}")
    refuse(f"{token}=", f"{token}\n", f" {token}", f"{token}\0", f"Bearer {token}", f"{token},{token}")
    refuse(f"{header}.{payload[:5]}!{payload[5:]}.{signature}", f"{header}.{payload}.{signature[:5]}*{signature[5:]}")
    refuse(f"{header}.{payload}.{signature[:-1]}é", signed(claims(scope="x" * 5000)))
    refuse(json.dumps({"protected": header, "payload": payload, "signature": signature}))


@pytest.mark.parametrize(
    "changes",
    [
        *({name: ...} for name in ("iss", "aud", "sub", "sid", "jti", "iat", "exp", "scope")),
        *({"iss": "billing"}, {"aud": "billing"}, {"aud": ["billing"]}, {"sub": "1 OR 1=1"}, {"sid": "x"}, {"exp": 0}),
    ],
    ids=str,
)
def test_read_refuses_claims_that_are_missing_or_of_another_service(changes: dict[str, Any]) -> None:
    refuse(signed(claims(**changes)))


def test_read_refuses_a_payload_that_is_no_object() -> None:
    refuse(*map(signed, ([], "text", None, b"", b"\xff", b"{")))


def test_read_allows_the_leeway_and_no_more_also_to_a_token_that_was_found_good() -> None:
    service = tokens()
    with time_machine.travel("2030-01-01T00:00:00Z", tick=False) as clock:
        token = service.issue(user_id=uuid4(), session_id=uuid4(), scopes=())
        clock.shift(-9)
        tokens().read(token)
        clock.shift(-2)
        refuse(token)
        clock.shift(11 + 909)
        assert service.read(token) == tokens().read(token)
        clock.shift(2)
        refuse(token)
        refuse(token, by=service)


def test_read_refuses_a_token_that_is_good_for_longer_than_the_setting() -> None:
    """Shortening the lifetime holds for tokens that were issued before, too."""
    refuse(tokens().issue(user_id=uuid4(), session_id=uuid4(), scopes=()), by=tokens(lifetime_seconds=600))
