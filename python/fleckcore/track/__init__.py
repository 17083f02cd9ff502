"""Features over time: which detections are one, when it appeared, where it went."""

from fleckcore.track.birth import Interval, Presence, date_presence
from fleckcore.track.build import follow
from fleckcore.track.changes import Changes, find_changes
from fleckcore.track.detections import Detections, Look
from fleckcore.track.events import EVENTS, Event
from fleckcore.track.follow import Drift, Epoch
from fleckcore.track.match import REASONS, Known, Matching, Rules, match_detections
from fleckcore.track.registry import Difference, Registry, name_features

__all__ = [
    "EVENTS",
    "REASONS",
    "Changes",
    "Detections",
    "Difference",
    "Drift",
    "Epoch",
    "Event",
    "Interval",
    "Known",
    "Look",
    "Matching",
    "Presence",
    "Registry",
    "Rules",
    "date_presence",
    "find_changes",
    "follow",
    "match_detections",
    "name_features",
]
