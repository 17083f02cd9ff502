"""A detector with known flecks."""

from fleckcore.simulate.chip import Scene, short_dark
from fleckcore.simulate.file import write
from fleckcore.simulate.obstruction import FLECKS, Obstruction

__all__ = ["FLECKS", "Obstruction", "Scene", "short_dark", "write"]
