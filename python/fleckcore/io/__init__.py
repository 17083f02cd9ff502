"""FITS in and out."""
