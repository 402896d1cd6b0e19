"""Which of the server's extensions this database has."""

from sqlalchemy import text

from app.core.database.lifecycle import ReadSession, get_database


async def has_extension(session: ReadSession, name: str) -> bool:
    """Whether an extension is installed in this database.

    Asked once per process and extension: installing one later is noticed after a restart.
    """
    known = get_database().extensions
    if name not in known:
        found = await session.scalar(text("SELECT 1 FROM pg_extension WHERE extname = :name"), {"name": name})
        known[name] = found is not None
    return known[name]
