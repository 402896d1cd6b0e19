"""Access tokens whose parts are missing, doubled or badly encoded."""

import json

import pytest

from tests.tokens import claims, refused, signed, tokens


def mangled(token: str) -> list[str]:
    header, payload, signature = token.split(".")
    last = signature[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # The last character of 32 bytes carries four bits that count and two that decoders ignore.
    twin = alphabet[alphabet.index(last) ^ 1]
    return [
        "",
        ".",
        "..",
        "...",
        f"{token}.",
        f".{token}",
        f"{token}.{signature}",
        f"{token}.{payload}.{signature}",
        f"{header}.{payload}",
        f"{header}..{signature}",
        f".{payload}.{signature}",
        f"{token}=",
        f"{header}=.{payload}.{signature}",
        f"{token}\n",
        f" {token}",
        f"{header}\n.{payload}.{signature}",
        f"{header}.{payload[:5]}!{payload[5:]}.{signature}",
        f"{header}.{payload[:5]} {payload[5:]}.{signature}",
        f"{header}.{payload}.{signature[:5]}*{signature[5:]}",
        f"{header}.{payload}.{signature[:-1]}{twin}",
        token.replace("-", "+").replace("_", "/") + "+",
        f"{token}\0",
        f"Bearer {token}",
        f"{header}.{payload}.{signature[:-1]}é",
        json.dumps({"protected": header, "payload": payload, "signature": signature}),
        f"{token},{token}",
    ]


@pytest.mark.parametrize("case", range(26))
def test_malformed_and_doubled_parts_and_bad_base64_are_refused(case: int) -> None:
    good = signed(claims())
    tokens().read(good)

    refused(mangled(good)[case])
