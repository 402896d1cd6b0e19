"""Real PostgreSQL servers with nothing installed, for development and tests.

All processes that ask for the same folder of data share one server, which ends with the last of them. There is no TCP
port: the socket's folder admits the current user alone.
"""

from devtools.embedded_postgres.programs import EmbeddedPostgresError
from devtools.embedded_postgres.server import EmbeddedServer, embedded_postgres
