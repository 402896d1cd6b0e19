"""Models compared with a database, and the difference written as a migration: `app db revision` and `app db check`."""
