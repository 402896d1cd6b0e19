"""TimescaleDB: which tables are hypertables, and what `app db upgrade` makes of that.

    create_hypertables() → setup_compression_policies() → setup_retention_policies()

Each brings the database in line with the settings and may be run again at any time: what is right already is left
alone, what differs is changed. Without TimescaleDB, the same models work on plain tables.
"""

from app.core.timescale.extension import Hypertable, as_hypertable, create_extension, declared_hypertables
from app.core.timescale.hypertables import (
    create_hypertables,
    set_up_timescale,
    setup_compression_policies,
    setup_retention_policies,
)
from app.core.timescale.status import ChunkStatistics, check_timescale, get_chunk_statistics, timescale_checks
from app.core.timescale.writing import copy_rows, get_accepted_age, lock_for_writing
