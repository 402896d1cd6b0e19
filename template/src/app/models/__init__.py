"""What things look like: `domain` in the database, `schemas` on the wire."""
