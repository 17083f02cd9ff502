"""Instrument profiles: chips, amplifiers, quality bits and header dialects, as data."""

from fleckcore.instruments.profile import (
    Amplifier,
    Chip,
    KindRule,
    Profile,
    list_profiles,
    load_profile,
    matches,
    recognise,
)

__all__ = [
    "Amplifier",
    "Chip",
    "KindRule",
    "Profile",
    "list_profiles",
    "load_profile",
    "matches",
    "recognise",
]
