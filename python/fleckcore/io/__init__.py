"""FITS in and out."""

from fleckcore.io.cards import clean_text, safe_name
from fleckcore.io.mapped import opened, put_aside
from fleckcore.io.read import is_verified, read, require_alike
from fleckcore.io.write import atomic_write, write_hdus, write_image

__all__ = [
    "atomic_write",
    "clean_text",
    "is_verified",
    "opened",
    "put_aside",
    "read",
    "require_alike",
    "safe_name",
    "write_hdus",
    "write_image",
]
