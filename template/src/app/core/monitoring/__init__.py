"""Reports of what goes wrong in this service, and of the time that things take.

    from app.core import monitor

The log has every report. A `Reporter` sends them elsewhere, too.
"""

from typing import Final

from app.core.monitoring.facade import Level, Monitor, Reporter

monitor: Final = Monitor()

__all__ = ["Level", "Monitor", "Reporter", "monitor"]
