"""The tables."""

import importlib
import pkgutil

from sqlalchemy import MetaData

from app.core.database import Base

# Modules with the tables that the core keeps to itself.
_OF_THE_CORE = ("app.core.secrets",)


def load_metadata() -> MetaData:
    """Return the tables of this application, whether or not anything has imported its module yet.

    Migrations compare this with the database, so a model needs no registration anywhere: its module in this package
    is enough.
    """
    for name in (*_OF_THE_CORE, *(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__))):
        importlib.import_module(name)
    return Base.metadata
