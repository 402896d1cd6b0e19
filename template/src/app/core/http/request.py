"""What is asked of another service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypedDict

from pydantic import BaseModel, JsonValue, SecretStr
from pydantic_core import to_json

# Seconds for a whole call, from the first byte out to the last byte in.
DEFAULT_TIMEOUT: Final = 30.0
# Models think before they answer.
LLM_TIMEOUT: Final = 120.0
# Receivers of webhooks are asked to answer at once and work later.
WEBHOOK_TIMEOUT: Final = 10.0

Method = Literal["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
Headers = Mapping[str, str | SecretStr]
Params = Mapping[str, str | int | float | bool]

# RFC 9110, 9.2.2: doing it twice has the effect of doing it once.
IDEMPOTENT: Final[frozenset[Method]] = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PUT"})


class RequestOptions(TypedDict, total=False):
    """What a call may add to method, URL and service.

    Attributes:
        headers: For this call, over the client's own. A SecretStr is opened when it is sent.
        params: Added to the URL's query.
        json: The body, with its content type.
        content: The body as bytes; give its Content-Type in the headers. Not together with json.
        timeout_seconds: For the whole call, its redirects included; DEFAULT_TIMEOUT unless given.
        max_redirects: How many are followed; none unless given. Another host gets no headers of the call, and never
            a body; https never becomes http.
        max_response_bytes: How large the answer may be once decompressed; the client's limit unless given.
        raise_for_status: Whether a status outside of 200 to 299 is an ExternalServiceError.
    """

    headers: Headers
    params: Params
    json: JsonValue | BaseModel
    content: bytes
    timeout_seconds: float
    max_redirects: int
    max_response_bytes: int
    raise_for_status: bool


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """A call with everything decided. Its repr shows nothing that could be secret."""

    service: str
    method: Method
    url: str = field(repr=False)
    headers: Headers = field(repr=False)
    params: Params = field(repr=False)
    content: bytes | None = field(repr=False)
    timeout_seconds: float
    max_redirects: int
    max_response_bytes: int | None


def make_request(method: Method, url: str, service: str, options: RequestOptions) -> HttpRequest:
    """Fill in what the options leave out.

    Raises:
        ValueError: Both json and content are given, or a time or count is not positive.
    """
    headers, content = options.get("headers", {}), options.get("content")
    if "json" in options:
        if content is not None:
            raise ValueError("Give either json or content, not both.")
        body = options["json"]
        content = body.model_dump_json().encode() if isinstance(body, BaseModel) else to_json(body)
        headers = {"Content-Type": "application/json", **headers}
    timeout_seconds = options.get("timeout_seconds", DEFAULT_TIMEOUT)
    if not timeout_seconds > 0:
        raise ValueError("timeout_seconds must be above 0.")
    return HttpRequest(
        service=service,
        method=method,
        url=url,
        headers=headers,
        params=options.get("params", {}),
        content=content,
        timeout_seconds=timeout_seconds,
        max_redirects=options.get("max_redirects", 0),
        max_response_bytes=options.get("max_response_bytes"),
    )
