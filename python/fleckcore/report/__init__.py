"""Pictures, made from frames and catalogues."""

from fleckcore.report.figures import plot_features, plot_thumbnails

__all__ = ["plot_features", "plot_thumbnails"]
