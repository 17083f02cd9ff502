"""Pictures, made from frames and catalogues."""

from fleckcore.report.completeness import plot_completeness
from fleckcore.report.figures import plot_features, plot_thumbnails

__all__ = ["plot_completeness", "plot_features", "plot_thumbnails"]
