"""The search: normalise, detect, measure."""
