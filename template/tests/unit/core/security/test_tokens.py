"""Access tokens: what this service wrote is read, and nothing else.

The cases follow RFC 8725 (best current practices), the attacks it lists, and the groups of C2SP Wycheproof's tests of
JSON Web Signature.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import jwt
import pytest

from app.core.exceptions import AuthenticationError, ConfigurationError
from app.core.security import Principal
from tests.tokens import HEADER, KEY, SECRET, claims, part, refused, signed, tokens


def test_a_token_says_who_is_calling() -> None:
    user_id, session_id = uuid4(), uuid4()

    principal = tokens().read(tokens().issue(user_id=user_id, session_id=session_id, scopes=["b", "a"]))

    assert principal == Principal(user_id=user_id, session_id=session_id, scopes=frozenset({"a", "b"}))


def test_the_tests_can_write_a_good_token() -> None:
    """Otherwise every refusal below could have another reason."""
    assert tokens().read(signed(claims())).scopes == {"items:read"}
    assert tokens().read(signed(claims(scope=""))).scopes == frozenset()


def test_two_tokens_are_never_the_same() -> None:
    user_id, session_id = uuid4(), uuid4()

    assert len({tokens().issue(user_id=user_id, session_id=session_id, scopes=()) for _ in range(50)}) == 50


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "typ": "at+jwt"},
        {"alg": "None", "typ": "at+jwt"},
        {"alg": "nOnE"},
        {"alg": "", "typ": "at+jwt"},
        {"alg": None, "typ": "at+jwt"},
        {"typ": "at+jwt"},
        {"alg": "HS384", "typ": "at+jwt"},
        {"alg": "HS512", "typ": "at+jwt"},
        {"alg": "RS256", "typ": "at+jwt"},
        {"alg": "ES256", "typ": "at+jwt"},
        {"alg": "EdDSA", "typ": "at+jwt"},
        {"alg": ["HS256"], "typ": "at+jwt"},
        {"alg": "HS256"},
        {"alg": "HS256", "typ": "JWT"},
        {"alg": "HS256", "typ": "rt+jwt"},
        {"alg": "HS256", "typ": "at+jwt", "kid": "../../dev/null"},
        {"alg": "HS256", "typ": "at+jwt", "jwk": {"kty": "oct", "k": "AAAA"}},
        {"alg": "HS256", "typ": "at+jwt", "jku": "https://attacker.example.com/keys"},
        {"alg": "HS256", "typ": "at+jwt", "x5u": "https://attacker.example.com/cert"},
        {"alg": "HS256", "typ": "at+jwt", "crit": ["exp"]},
        {"alg": "HS256", "typ": "at+jwt", "b64": False, "crit": ["b64"]},
        {"alg": "HS256", "typ": "at+jwt", "zip": "DEF"},
        {"typ": "at+jwt", "alg": "HS256"},
        [],
        "HS256",
        b"\xff\xfe",
        b'{"alg":"none","alg":"HS256","typ":"at+jwt"}',
    ],
    ids=str,
)
def test_no_other_header_is_accepted_even_with_a_right_signature(header: object) -> None:
    refused(signed(claims(), header=header))


def test_an_unsigned_token_is_refused() -> None:
    for header in (HEADER, {"alg": "none", "typ": "at+jwt"}):
        text = f"{part(header)}.{part(claims())}"
        refused(text)
        refused(f"{text}.")


@pytest.mark.parametrize(
    "key",
    [
        b"",
        SECRET.encode(),
        hmac.digest(SECRET.encode(), b"refresh-token", hashlib.sha256),
        KEY[:31],
        b"another key that is quite long enough",
    ],
)
def test_a_signature_under_another_key_is_refused(key: bytes) -> None:
    refused(signed(claims(), key=key))


@pytest.mark.parametrize("digest", ["sha1", "sha384", "sha512", "md5"])
def test_a_signature_under_another_hash_is_refused(digest: str) -> None:
    refused(signed(claims(), digest=digest))


def test_a_truncated_or_changed_signature_is_refused() -> None:
    good = signed(claims())
    text, _, signature = good.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "=")

    for forged in (raw[:-1], raw[:16], b"", raw + b"\0", bytes(32), raw[::-1], bytes([raw[0] ^ 1]) + raw[1:]):
        refused(f"{text}.{part(forged)}")


def test_a_changed_payload_is_refused_at_every_position() -> None:
    header, payload, signature = signed(claims()).split(".")

    for position in range(0, len(payload), 7):
        changed = "A" if payload[position] != "A" else "B"
        refused(f"{header}.{payload[:position]}{changed}{payload[position + 1 :]}.{signature}")


def test_parts_of_two_good_tokens_do_not_mix() -> None:
    one, two = (signed(claims()).split(".") for _ in range(2))

    refused(".".join([one[0], one[1], two[2]]))
    refused(".".join([one[0], two[1], one[2]]))


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "sid", "jti", "iat", "exp", "scope"])
def test_every_claim_is_required(name: str) -> None:
    refused(signed(claims(**{name: ...})))
    refused(signed(claims(**{name: None})))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "another-service"},
        {"iss": ["shop"]},
        {"iss": "SHOP"},
        {"aud": "another-service"},
        {"aud": ["shop"]},
        {"aud": ["shop", "another-service"]},
        {"aud": "shop "},
        {"sub": 42},
        {"sub": "1 OR 1=1"},
        {"sub": ""},
        {"sid": "x" * 36},
        {"jti": 7},
        {"exp": "9999999999"},
        {"exp": 9999999999.5},
        {"exp": True},
        {"exp": [9999999999]},
        {"exp": float("inf")},
        {"exp": 10**400},
        {"iat": "0"},
        {"iat": -1.5},
        {"scope": ["items:read"]},
        {"scope": 1},
        {"admin": True},
        {"nbf": 0},
    ],
    ids=str,
)
def test_claims_of_another_service_or_of_another_type_are_refused(changes: Mapping[str, Any]) -> None:
    refused(signed(claims(**changes)))


@pytest.mark.parametrize("payload", [[], "text", 1, None, b"", b"\xff", b"{", b'{"exp":1e999}', b"[" * 3000], ids=str)
def test_a_payload_that_is_no_object_is_refused(payload: object) -> None:
    refused(signed(payload))


def test_a_token_expires_after_its_lifetime_and_the_leeway() -> None:
    now = int(time.time())

    assert tokens().read(signed(claims(iat=now - 900, exp=now - 5))).scopes
    refused(signed(claims(iat=now - 900, exp=now - 11)))
    refused(signed(claims(exp=0)))
    refused(signed(claims(exp=-1)))


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


def test_a_token_that_is_good_for_longer_than_the_setting_is_refused() -> None:
    """So that shortening the lifetime holds for the tokens that are out there, too."""
    token = tokens().issue(user_id=uuid4(), session_id=uuid4(), scopes=())

    refused(token, lifetime_seconds=600)


def test_a_token_from_the_future_is_refused_beyond_the_leeway() -> None:
    now = int(time.time())

    assert tokens().read(signed(claims(iat=now + 5, exp=now + 905))).scopes
    refused(signed(claims(iat=now + 30, exp=now + 930)))


def test_an_oversized_token_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwt, "decode", lambda *_args, **_kwargs: pytest.fail("decoded"))

    refused(signed(claims(scope="x" * 5000)))


def test_the_tokens_of_another_service_under_the_same_secret_are_refused() -> None:
    other = tokens(issuer="billing").issue(user_id=uuid4(), session_id=uuid4(), scopes=["items:read"])

    refused(other)


def test_the_reason_of_a_refusal_stays_inside() -> None:
    expired, forged, garbage = signed(claims(exp=1)), signed(claims(), key=b"x" * 32), "garbage"

    assert len({refused(each) for each in (expired, forged, garbage)}) == 1
    for each in (expired, forged, garbage):
        assert each not in refused(each)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="less than 32 bytes"):
        tokens(secret="x" * 31)
