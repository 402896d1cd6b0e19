"""Real PostgreSQL servers with nothing installed, for development and tests.

`embedded_postgres(folder)` runs a server on data in the project's folder, over the programs of a
package, or of a server that is named. All processes that ask for the same folder share one server, which ends
with the last of them. There is no TCP port: the socket's folder admits the current user alone.
"""

from devtools.embedded_postgres.programs import EmbeddedPostgresError
from devtools.embedded_postgres.server import EmbeddedServer, embedded_postgres
