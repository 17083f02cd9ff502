"""The commands: parsing, progress and exit codes; no pixel arithmetic."""
