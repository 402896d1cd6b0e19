"""Telling the services of one's own which request a call belongs to."""

import secrets

from app.core.logging import current_request_id, current_trace_id


def tracing_headers(host: str, traced_hosts: tuple[str, ...]) -> dict[str, str]:
    """The ids of the current request, as headers for that host; none for a host that is not listed.

    Other companies get none: an id that goes to several of them lets them join what each knows about one user.

    Args:
        host: Whom the call goes to.
        traced_hosts: Names of hosts; one that begins with a dot stands for every host below it.
    """
    if not any(host == listed or (listed.startswith(".") and host.endswith(listed)) for listed in traced_hosts):
        return {}
    headers = {}
    if request_id := current_request_id():
        headers["x-request-id"] = request_id
    if trace_id := current_trace_id():
        # W3C Trace Context, 3.2: version, trace, this call, and no flags: nothing here records spans.
        headers["traceparent"] = f"00-{trace_id}-{secrets.token_hex(8)}-00"
    return headers
