"""``_init__`` as in scipy.ndimage."""

from fleckcore.ndimage._label import label
from fleckcore.ndimage._median_filter import median_filter

__all__ = ["label", "median_filter"]
