"""From many configurations to one recorded, resumable, reported sweep."""
