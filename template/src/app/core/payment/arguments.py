"""The rules that arguments of payments keep, and the check that turns a broken one into a `ValidationError`."""

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import signature
from typing import Annotated, Final, Literal, ParamSpec, TypeVar

from pydantic import ConfigDict, Field, StringConstraints, validate_call
from pydantic import ValidationError as PydanticValidationError

from app.core.exceptions import ValidationError

P = ParamSpec("P")
R = TypeVar("R")

# Stripe's largest amount in most currencies: eight digits (documentation, "Supported currencies").
MAX_AMOUNT: Final = 99_999_999


Amount = Annotated[int, Field(ge=1, le=MAX_AMOUNT)]
Currency = Annotated[str, StringConstraints(pattern=r"\A[a-z]{3}\z")]
# Printable ASCII, which all of Stripe's ids are; they go into columns of this length, and into paths.
Identifier = Annotated[str, StringConstraints(pattern=r"\A[\x21-\x7e]{1,255}\z")]
IdempotencyKey = Annotated[str, StringConstraints(pattern=r"\A[\x20-\x7e]{1,255}\z")]
# API reference, "Metadata".
_Name = Annotated[str, StringConstraints(min_length=1, max_length=40)]
_Value = Annotated[str, StringConstraints(max_length=500)]
Metadata = Annotated[Mapping[_Name, _Value], Field(max_length=50)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
RefundReason = Literal["duplicate", "fraudulent", "requested_by_customer"]


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function be called only with what its annotations allow.

    The ValidationError names the argument and the rule, never the value.
    """

    # Not the function itself: an error of pydantic's in its own work is no wrong argument.
    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    names = list(signature(function).parameters)
    validated = validate_call(config=ConfigDict(strict=True, hide_input_in_errors=True))(call)

    @wraps(function)
    def check(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return validated(*args, **kwargs)
        except PydanticValidationError as err:
            first = err.errors(include_input=False, include_url=False, include_context=False)[0]
        place = first["loc"][0]
        name = names[place] if isinstance(place, int) else place
        # Out here, where it has no context: what was given may belong to a customer.
        raise ValidationError(name, f"{name}: {first['msg']}.")

    return check
