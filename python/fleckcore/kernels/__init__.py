"""The compiled kernels, with every argument checked here.

All kernels take any real dtype, either byte order, any strides and read-only input, copy no whole
frame for its layout, release the GIL, and give the same bytes for every ``threads`` and every
instruction set. This package alone imports the compiled ``_core``.
"""

from fleckcore.kernels._combine_stack import (
    CosmicRays,
    Stack,
    StackedPlanes,
    combine_stack,
    reject_cosmic_rays,
    sky_modes,
)
from fleckcore.kernels._cte_readout import cte_readout, smooth_noise
from fleckcore.kernels._gaussian_filter import gaussian_filter
from fleckcore.kernels._label_components import Components, label_components
from fleckcore.kernels._limits import compare_in_registers
from fleckcore.kernels._literal_search import (
    DEVIANT,
    FLAGGED,
    UNLIT,
    LiteralObjects,
    literal_search,
)
from fleckcore.kernels._measure_feature import measure_feature
from fleckcore.kernels._median_filter import MEDIAN_MODES, median_filter
from fleckcore.kernels._memory import sparse_zeros
from fleckcore.kernels._mesh_statistics import Mesh, interpolate_mesh, mesh_statistics
from fleckcore.kernels._peak_search import Peaks, peak_search
from fleckcore.kernels._photon_noise import photon_noise
from fleckcore.kernels._profile_fit import PROFILE_START, ProfilePatch, profile_fit
from fleckcore.kernels._runtime import build_config, default_threads
from fleckcore.kernels._shadow_search import shadow_search
from fleckcore.kernels._streak_search import streak_search
from fleckcore.kernels._trail_scan import Trails, trail_scan
from fleckcore.kernels._tuning import (
    forget_tuning,
    machine,
    processor,
    profile_path,
    set_tuning,
    tuning_in_use,
)
from fleckcore.kernels._word_sum import word_sum

__all__ = [
    "DEVIANT",
    "FLAGGED",
    "MEDIAN_MODES",
    "PROFILE_START",
    "UNLIT",
    "Components",
    "CosmicRays",
    "LiteralObjects",
    "Mesh",
    "Peaks",
    "ProfilePatch",
    "Stack",
    "StackedPlanes",
    "Trails",
    "build_config",
    "combine_stack",
    "compare_in_registers",
    "cte_readout",
    "default_threads",
    "forget_tuning",
    "gaussian_filter",
    "interpolate_mesh",
    "label_components",
    "literal_search",
    "machine",
    "measure_feature",
    "median_filter",
    "mesh_statistics",
    "peak_search",
    "photon_noise",
    "processor",
    "profile_fit",
    "profile_path",
    "reject_cosmic_rays",
    "set_tuning",
    "shadow_search",
    "sky_modes",
    "smooth_noise",
    "sparse_zeros",
    "streak_search",
    "trail_scan",
    "tuning_in_use",
    "word_sum",
]
