"""Who expressed which emotions, when, and what shows it, in a recorded conversation."""

__version__ = "0.1.0"
