"""Reports go to Sentry, too, when it is switched on.

Nothing but `client.py` knows the SDK, and nothing of the SDK is active beside it: no integrations, no process-wide
client, no scopes of its own. What a report tells is what `monitor` knows, so that neither a request's user nor its
breadcrumbs can reach another's report, and each error is reported by the one place that captures it.

There is no health check: a service that asked Sentry whether it is well would be unwell whenever Sentry is.
"""

from app.core.monitoring.sentry.lifecycle import reporting_to_sentry

__all__ = ["reporting_to_sentry"]
