"""x07py: pure services on Kafka and RabbitMQ."""

from x07py._version import __version__
from x07py.errors import X07Error

__all__ = ["X07Error", "__version__"]
