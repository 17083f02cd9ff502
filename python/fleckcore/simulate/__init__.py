"""A detector with known flecks, known shadows on any frame, and frames with nothing on them."""

from fleckcore.simulate.blank import BLANK_KINDS, blank_frame
from fleckcore.simulate.campaign import Exposure, plan, select
from fleckcore.simulate.chip import Scene, short_dark
from fleckcore.simulate.detector import ChipTruth
from fleckcore.simulate.exposure import ChipExposure, expected_electrons, expose
from fleckcore.simulate.file import write
from fleckcore.simulate.flat import MOTES, vignetted_flat
from fleckcore.simulate.matching import match_truth, pair_nearest
from fleckcore.simulate.observatory import Observatory, observe
from fleckcore.simulate.obstruction import FLECKS, Obstruction
from fleckcore.simulate.record import truth_record
from fleckcore.simulate.references import write_references
from fleckcore.simulate.scene import DetectorScene, list_scenes, load_scene
from fleckcore.simulate.shading import obscure
from fleckcore.simulate.trailing import trail

__all__ = [
    "BLANK_KINDS",
    "FLECKS",
    "MOTES",
    "ChipExposure",
    "ChipTruth",
    "DetectorScene",
    "Exposure",
    "Observatory",
    "Obstruction",
    "Scene",
    "blank_frame",
    "expected_electrons",
    "expose",
    "list_scenes",
    "load_scene",
    "match_truth",
    "obscure",
    "observe",
    "pair_nearest",
    "plan",
    "select",
    "short_dark",
    "trail",
    "truth_record",
    "vignetted_flat",
    "write",
    "write_references",
]
