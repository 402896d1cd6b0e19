"""The tables."""

import importlib
import pkgutil

from sqlalchemy import MetaData

from app.core.database import Base


def load_metadata() -> MetaData:
    """Return all tables, whether or not anything has imported their modules yet: those of this package and the secrets.

    Migrations compare this with the database, so a model needs no registration: its module in this package is enough.
    """
    for name in ("app.core.secrets", *(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__))):
        importlib.import_module(name)
    return Base.metadata
