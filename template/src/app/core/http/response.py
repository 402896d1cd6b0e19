"""What another service answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from app.core.exceptions import ExternalServiceError

T = TypeVar("T")

# Enough to see what changed in somebody's answer; all of them would fill the log.
_MAX_PROBLEMS: Final = 5


@dataclass(frozen=True, kw_only=True)
class HttpResponse:
    """A complete answer, of whatever status. Its repr shows nothing that could be secret.

    Attributes:
        service: Who answered.
        status: HTTP status.
        headers: By lower-case names; those sent several times are joined by commas.
        body: Decompressed.
    """

    service: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the status is 200 to 299."""
        return 200 <= self.status < 300  # noqa: PLR2004 — HTTP's own numbers

    def require_success(self) -> Self:
        """This answer, if its status is 200 to 299.

        Raises:
            ExternalServiceError: It is another one; `details` has it as `status`.
        """
        if not self.is_success:
            raise ExternalServiceError(
                self.service, f"Answered with status {self.status}.", details={"status": self.status}
            )
        return self

    def parse_json(self, shape: type[T] | TypeAdapter[T]) -> T:
        """The body as a value of that type.

        Args:
            shape: A type such as a model or `list[Invoice]`; a TypeAdapter for what is no class, such as a union.

        Raises:
            ExternalServiceError: The body is no JSON, or not of that shape. The cause names places and rules, and none
                of the values, which belong to somebody.
        """
        adapter = shape if isinstance(shape, TypeAdapter) else _adapter(shape)  # type: ignore[arg-type] # mypy does not know that classes are hashable
        try:
            return adapter.validate_json(self.body)
        except ValidationError as err:
            problems = err.errors(include_input=False, include_url=False, include_context=False)
        found = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['type']}" for each in problems[:_MAX_PROBLEMS]
        )
        raise ExternalServiceError(
            self.service,
            "Answered with something other than the JSON that was expected.",
            details={"status": self.status},
        ) from ValueError(found)


@lru_cache(maxsize=256)
def _adapter(shape: type[T]) -> TypeAdapter[T]:
    # Making one costs more than using it.
    return TypeAdapter(shape)
