"""TimescaleDB's part of `app db upgrade`, once the migrations are applied."""

import asyncio

from app.cli.output import out
from app.core.config import ApplicationSettings
from app.core.timescale import set_up_timescale
from app.models.domain import load_metadata


def set_up_hypertables(settings: ApplicationSettings) -> None:
    """Bring extension, hypertables and policies in line with the settings, and print what that has changed.

    Raises:
        ConfigurationError: The server cannot do it, or refused it.
    """
    for change in asyncio.run(set_up_timescale(settings.timescale, settings.database, load_metadata())):
        out.print(change)
