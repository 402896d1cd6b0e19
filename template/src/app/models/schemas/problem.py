"""Error answers: problem documents of RFC 9457."""

from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field


class FieldProblem(BaseModel):
    """A value and the rule that it breaks."""

    field: str = Field(examples=["body.name"])
    message: str = Field(examples=["String should have at least 1 character"])


class Problem(BaseModel):
    """An error, for people (`title`, `detail`) and for programs (`error_code`)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"title": "Not Found", "status": 404, "detail": "Item 7 does not exist.", "error_code": "NOT_FOUND"}
            ]
        }
    )

    type: str = Field(
        default="about:blank", description="RFC 9457, 4.2.1: the status says it all; `error_code` tells cases apart."
    )
    title: str = Field(description="The status in words.")
    status: int = Field(description="The status of the answer.")
    detail: str = Field(description="The error, as a sentence.")
    error_code: str = Field(description="Stable: programs may rely on it.")
    request_id: str | None = Field(default=None, description="Finds this request in the log; quote it in a report.")
    field: str | None = Field(default=None, description="The value that breaks a rule.")
    errors: list[FieldProblem] | None = Field(default=None, description="All values that break rules.")
    details: object = Field(default=None, description="Facts about this case.")
    traceback: list[str] | None = Field(default=None, description="The place of the error; only with DEBUG on.")

    @classmethod
    def of(cls, status: HTTPStatus, detail: str, error_code: str, request_id: str | None) -> "Problem":
        """Return a problem document for a status."""
        return cls(
            title=status.phrase, status=status.value, detail=detail, error_code=error_code, request_id=request_id
        )
