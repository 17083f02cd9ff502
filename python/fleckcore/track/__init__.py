"""Features over time: which detections are one, when it appeared, where it went."""

from fleckcore.track.birth import Interval, Presence, date_presence
from fleckcore.track.build import follow
from fleckcore.track.changes import Changes, compare_epochs, find_changes
from fleckcore.track.coincidence import Coincidence, find_coincidences
from fleckcore.track.detections import Detections, Look
from fleckcore.track.events import EVENTS, Event
from fleckcore.track.follow import Drift, Epoch, light_of
from fleckcore.track.limits import birth_limits
from fleckcore.track.match import REASONS, Known, Matching, Rules, match_detections
from fleckcore.track.night import mean_light
from fleckcore.track.registry import Difference, Registry, name_features

__all__ = [
    "EVENTS",
    "REASONS",
    "Changes",
    "Coincidence",
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
    "birth_limits",
    "compare_epochs",
    "date_presence",
    "find_changes",
    "find_coincidences",
    "follow",
    "light_of",
    "match_detections",
    "mean_light",
    "name_features",
]
