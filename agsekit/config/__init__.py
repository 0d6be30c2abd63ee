"""The configuration: a model of frozen dataclasses, and the loader that fills it."""
