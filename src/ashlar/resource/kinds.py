"""The types that a field can have, and what each is in the database, in Python and on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A type that a field can have. Values are Python's source; NAME stands for the field's.

    Attributes:
        python: Its type in the model.
        column: The type of its column, where that does not follow.
        schema: Its type on the wire; of those of `app.models.schemas.types` where it is not
            Python's.
        rules: Arguments of Pydantic's `Field`, beside the example.
        shown: True if its type has no example of its own, and the document needs one.
        example: A value, as JSON has it.
        other: Another one.
        wrong: One that is refused.
    """

    python: str
    column: str = ""
    schema: str
    rules: str = ""
    shown: bool = True
    example: str
    other: str
    wrong: str


KINDS: Final[Mapping[str, Kind]] = {
    "str": Kind(
        python="str",
        column="String(200)",
        schema="Line",
        example='"NAME"',
        other='"NAME, changed"',
        wrong='"  "',
    ),
    "text": Kind(
        python="str",
        column="Text",
        schema="LongText",
        example='"NAME, as long as it takes."',
        other='""',
        wrong="7",
    ),
    # Readers take JSON's numbers for doubles, which are exact up to here (RFC 8259, 6).
    "int": Kind(
        python="int",
        column="BigInteger",
        schema="int",
        rules="strict=True, ge=-(2**53) + 1, le=2**53 - 1",
        example="1",
        other="-2",
        wrong="2**53",
    ),
    "float": Kind(
        python="float",
        column="Double",
        schema="float",
        rules="strict=True, allow_inf_nan=False",
        example="1.5",
        other="-0.25",
        wrong='"1.5"',
    ),
    "decimal": Kind(
        python="Decimal",
        schema="Exact",
        shown=False,
        example='"12.50"',
        other='"-0.000001"',
        wrong="12.5",
    ),
    "bool": Kind(
        python="bool",
        schema="bool",
        rules="strict=True",
        example="True",
        other="False",
        wrong='"true"',
    ),
    "date": Kind(
        python="date",
        schema="Day",
        shown=False,
        example='"2040-01-31"',
        other='"2040-02-29"',
        wrong='"2040-02-30"',
    ),
    "datetime": Kind(
        python="datetime",
        schema="Moment",
        shown=False,
        example='"2040-01-31T12:00:00Z"',
        other='"2040-02-29T23:59:59Z"',
        wrong='"2040-01-31T12:00:00"',
    ),
    "uuid": Kind(
        python="UUID",
        schema="UUID",
        shown=False,
        example='"01890a5d-ac96-774b-bcce-b302099a8057"',
        other='"01890a5d-ac96-774b-bcce-b302099a8058"',
        wrong='"01890a5d"',
    ),
    "json": Kind(
        python="dict[str, JsonValue]",
        column="JSONB",
        schema="JsonObject",
        example='{"color": "green", "sizes": [1, 2.5]}',
        other="{}",
        wrong="[1]",
    ),
}
# Its type has a name of its own, and its values are those that were asked for.
ENUM: Final = Kind(python="str", schema="str", example="", other="", wrong='"none of these"')
REFERENCE: Final = Kind(
    python="UUID", schema="UUID", shown=False, example="None", other="None", wrong='"01890a5d"'
)
