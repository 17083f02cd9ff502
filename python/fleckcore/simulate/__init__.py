"""A detector with known flecks, known shadows on any frame, and frames with nothing on them."""

from fleckcore.simulate.blank import BLANK_KINDS, blank_frame
from fleckcore.simulate.chip import Scene, short_dark
from fleckcore.simulate.file import write
from fleckcore.simulate.flat import MOTES, vignetted_flat
from fleckcore.simulate.matching import match_truth, pair_nearest
from fleckcore.simulate.obstruction import FLECKS, Obstruction
from fleckcore.simulate.shading import obscure
from fleckcore.simulate.trailing import trail

__all__ = [
    "BLANK_KINDS",
    "FLECKS",
    "MOTES",
    "Obstruction",
    "Scene",
    "blank_frame",
    "match_truth",
    "obscure",
    "pair_nearest",
    "short_dark",
    "trail",
    "vignetted_flat",
    "write",
]
