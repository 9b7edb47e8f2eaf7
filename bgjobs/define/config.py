"""Settings. They live in the broker, because clients read them too; this is where apps and workers find them."""

from ..broker.connection import redacted
from ..broker.settings import SETTINGS, Found, Setting, Settings, configuration_table

__all__ = ["SETTINGS", "Found", "Setting", "Settings", "configuration_table", "redacted"]
