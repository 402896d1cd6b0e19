"""Models: `domain` in the database, `schemas` on the wire, `events` in between."""
