"""A limit on the size of a request's body."""

from http import HTTPStatus

from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import Message, Receive, Scope, Send

from app.api.errors import problem_answer


class BodyLimitMiddleware(RequestBodyLimitMiddleware):
    """Starlette's limit, with a problem document for its answer; a route may say another limit (`max_body_size=`)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = False

        async def send_problem(message: Message) -> None:
            nonlocal refused
            if message.get("status") == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                refused = True
                # Closing the connection spares the client from sending the rest.
                answer = problem_answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large.")
                answer.headers["Connection"] = "close"
                await answer(scope, receive, send)
            elif not refused:
                await send(message)

        await super().__call__(scope, receive, send_problem)
