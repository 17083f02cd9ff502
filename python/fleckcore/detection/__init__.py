"""The search: normalise, detect, measure. (Not named after `fleckcore.find`, the function, which it would hide.)"""
