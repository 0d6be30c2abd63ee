"""Seeing edits as they happen: which paths of a source may have changed, and when it has come to rest."""
