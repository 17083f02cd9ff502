"""The files and the lines in which a search's result reaches a person or a program."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleckcore.errors import OutputError

if TYPE_CHECKING:
    from fleckcore.detection.catalog import Catalog
    from fleckcore.detection.joint import JointResult
    from fleckcore.detection.search import SearchResult
    from fleckcore.frame import Frame

__all__ = [
    "SURVEY_ENDINGS",
    "can_draw",
    "describe",
    "describe_notes",
    "prepare_folder",
    "result_paths",
    "to_json",
    "write_results",
]

ROWS_SHOWN = 12


def prepare_folder(folder: Path) -> None:
    """Make the output folder; `OutputError` R08 before any work when it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".fleckcore-writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(
            f"the output folder cannot be written: {error.strerror}.",
            code="R08",
            path=folder,
            advice="Choose another with -o.",
        ) from error


ENDINGS = {
    "catalog": ".ecsv",
    "regions": ".reg",
    "mask": "_mask.fits",
    "picture": ".png",
    "thumbnails": "_thumbnails.png",
}
SURVEY_ENDINGS = {"completeness": ".completeness.ecsv", "completeness_picture": ".completeness.png"}


def result_paths(folder: Path, stem: str) -> list[Path]:
    """Every file that results of this name may have, resolved."""
    endings = [*ENDINGS.values(), *SURVEY_ENDINGS.values()]
    return [(folder / f"{stem}{ending}").resolve() for ending in endings]


def write_results(
    frame: Frame, result: SearchResult | JointResult, folder: Path, stem: str, *, pictures: bool
) -> dict[str, Path]:
    """Write catalogue, regions, mask and, when asked for, the pictures; older ones are replaced.

    Returns
    -------
    dict
        What each file is, and where.
    """
    from fleckcore.io import write_image

    kinds = list(ENDINGS) if pictures else ["catalog", "regions", "mask"]
    files = {kind: folder / f"{stem}{ENDINGS[kind]}" for kind in kinds}
    result.catalog.write(files["catalog"], overwrite=True)
    result.catalog.write_regions(files["regions"], overwrite=True)
    write_image(
        files["mask"],
        result.labels,
        [
            ("FLECKCAT", files["catalog"].name, "labels refer to this catalogue"),
            ("CREATOR", result.catalog.meta["program"], "program"),
            ("LTV1", -frame.meta.x_offset, "this x = x on the trimmed chip + LTV1"),
            ("LTV2", -frame.meta.y_offset, "this y = y on the trimmed chip + LTV2"),
        ],
        overwrite=True,
    )
    if pictures:
        from fleckcore.report import plot_features, plot_thumbnails

        transmission = result.normalised.transmission
        for plot, name in ((plot_features, "picture"), (plot_thumbnails, "thumbnails")):
            plot(frame, result.catalog, files[name], normalised=transmission, overwrite=True)
    return files


def can_draw() -> bool:
    """Whether the extra ``report`` is installed."""
    return find_spec("matplotlib") is not None


def describe(name: str, catalog: Catalog) -> list[str]:
    """Say in a few plain lines what was found."""
    lines = [f"{name}: {_summary(catalog)}", *describe_notes(catalog.meta)]
    rows = catalog[:ROWS_SHOWN]
    if len(rows):
        lines.append("   label        x        y  radius  area>5%     deepest loss    snr  kind")
    for row in rows:
        loss, err = 1 - row["transmission_min"], row["transmission_min_err"]
        lines.append(
            f"  {row['label']:6d} {row['x_centroid'].value:8.1f} {row['y_centroid'].value:8.1f}"
            f" {row['radius'].value:7.1f} {row['area'].value:8.0f}"
            f" {100 * loss:7.2f} ± {100 * err:4.2f} % {row['snr']:6.1f}  {row['kind']}"
            f"{', at the edge' if row['edge'] else ''}{', blended' if row['blend'] else ''}"
            f"{_seen(row)}"
        )
    if len(catalog) > len(rows):
        lines.append(f"  ... and {len(catalog) - len(rows)} more in the catalogue")
    return lines


def _seen(row: Any) -> str:
    """In how many frames a row of several frames' list shows by itself."""
    if "frames_seen" not in row.colnames:
        return ""
    return f", seen in {row['frames_seen']} of {len(row['depths'])} frames"


def describe_notes(meta: dict[str, Any]) -> list[str]:
    """Say what the reader noticed, and whether a pedestal may have been left in."""
    notes = [f"  note: {warning}" for warning in meta["warnings"]]
    if meta["unit"] == "DN" and meta["bias"] == "none subtracted":
        notes.append(
            "  note: no bias was subtracted; on a raw frame every loss is understated (--bias)"
        )
    return notes


def _summary(catalog: Catalog) -> str:
    meta = catalog.meta
    if meta["status"] == "NO_VALID_PIXELS":
        return "nothing searched: every pixel is masked or not a number (NO_VALID_PIXELS)"
    kinds = Counter(str(kind) for kind in catalog["kind"]).most_common()
    counts = ", ".join(f"{n} {kind}{_plural(kind, n)}" for kind, n in kinds)
    parts = [f"{len(catalog)} feature{_plural('feature', len(catalog))}"]
    if counts:
        parts[0] += f" ({counts})"
    if meta["status"] == "FRAME_REJECTED":
        parts.append("what stands out covers more than a fifth of the frame (FRAME_REJECTED)")
    not_listed = ", ".join(f"{n} {reason}" for reason, n in meta["not_listed"].items())
    if not_listed:
        parts.append(f"counted but not listed: {not_listed}")
    if meta["unlit_pixels"]:
        parts.append(f"{meta['unlit_pixels']} pixels too dark to search")
    return "; ".join(parts)


def _plural(kind: str, count: int) -> str:
    return "" if count == 1 or kind == "bright" else "s"


def to_json(name: str, catalog: Catalog, files: dict[str, Path]) -> dict[str, Any]:
    """Give the result of one frame as plain values, for programs."""
    meta = {key: None if value != value else value for key, value in catalog.meta.items()}
    return {
        "input": name,
        "meta": meta,
        "features": catalog.to_json(),
        "files": {kind: str(path) for kind, path in files.items()},
    }
