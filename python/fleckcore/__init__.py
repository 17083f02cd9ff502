"""fleckcore finds, measures, dates and flags what sits in front of a detector."""

from fleckcore._version import __version__

__all__ = ["__version__"]
