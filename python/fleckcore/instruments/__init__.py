"""Instrument profiles: chips, amplifiers, quality bits and header dialects, as data."""

from fleckcore.instruments.profile import (
    Amplifier,
    Chip,
    Flagging,
    KindRule,
    Profile,
    list_profiles,
    load_profile,
    matches,
    recognise,
)
from fleckcore.instruments.transfer import Quadrant, model_traps, quadrants

__all__ = [
    "Amplifier",
    "Chip",
    "Flagging",
    "KindRule",
    "Profile",
    "Quadrant",
    "list_profiles",
    "load_profile",
    "matches",
    "model_traps",
    "quadrants",
    "recognise",
]
