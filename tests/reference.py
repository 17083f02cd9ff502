"""Slow, obvious numpy references: what each kernel must equal."""
