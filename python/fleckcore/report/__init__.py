"""Pictures, made from frames and catalogues."""
