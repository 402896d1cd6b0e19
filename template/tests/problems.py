"""Reading problem documents."""

from typing import Any

from httpx import Response


def problem(answer: Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of an answer, checked for what all of them have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert (found["type"], found["status"], found["error_code"]) == ("about:blank", status, code)
    assert found["title"]
    assert found["detail"]
    assert found["request_id"] == answer.headers["X-Request-ID"]
    assert "planted" not in answer.text
    return found
