"""Telling whoever looks after this service what goes wrong in it, and how long things take.

    from app.core import monitor

`monitor` is the whole of it. Where its reports go is a `MonitorBackend`: the log is always one.
"""

from typing import Final

from app.core.monitoring.backend import LogBackend, MonitorBackend
from app.core.monitoring.facade import Monitor
from app.core.monitoring.report import Breadcrumb, Level, Report, Request, User

monitor: Final = Monitor(LogBackend())

__all__ = ["Breadcrumb", "Level", "LogBackend", "Monitor", "MonitorBackend", "Report", "Request", "User", "monitor"]
