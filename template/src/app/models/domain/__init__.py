"""The tables."""

import importlib
import pkgutil

from sqlalchemy import MetaData

from app.core.database import Base


def load_metadata() -> MetaData:
    """Every table of this application, whether or not anything has imported its module yet.

    Migrations compare this with the database, so a model needs no registration anywhere: its module in this package
    is enough.
    """
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return Base.metadata
