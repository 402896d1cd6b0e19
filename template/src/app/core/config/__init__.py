"""Settings: one section per concern, read from the environment and checked once, all problems at a time.

`get_settings()` is the process-wide singleton; `get_settings.cache_clear()` makes the next call read again. Only this
package touches the environment.
"""

from app.core.config.application import ApplicationSettings
from app.core.config.loading import load_settings
from app.core.process import Singleton

get_settings: Singleton[ApplicationSettings] = Singleton(load_settings)
