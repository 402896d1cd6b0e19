"""What can go wrong between this service and another, told apart by whether asking again makes sense."""

from app.core.exceptions import ExternalServiceError


class ExternalConnectionError(ExternalServiceError):
    """There was no connection, or it broke before the answer was complete: the same request may well succeed later.

    Whether the other service acted on the request is not known.
    """
