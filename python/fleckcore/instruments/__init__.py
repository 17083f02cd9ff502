"""Instrument profiles: TOML data and their validation."""
