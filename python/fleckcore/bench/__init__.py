"""How fast the kernels are on this machine, beside the other programs that are installed.

Every comparison runs in one process on the same input, taking turns, and the results are compared first.
"""

from fleckcore.bench.cases import cases
from fleckcore.bench.limits import Limits, measure_limits
from fleckcore.bench.measure import Comparison, Measurement, measure_all
from fleckcore.bench.results import draw, json_of, text_of

__all__ = [
    "Comparison",
    "Limits",
    "Measurement",
    "cases",
    "draw",
    "json_of",
    "measure_all",
    "measure_limits",
    "text_of",
]
