"""Who expressed which emotions, when, and what shows it, in a recorded conversation."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from affectline.analyze import Analyzer
    from affectline.timeline import Timeline

__version__ = "0.1.0"
__all__ = ["Analyzer", "Timeline", "__version__"]


def __getattr__(name: str) -> Any:
    """Load what is asked for: importing the package itself must not take the seconds that torch takes."""
    if name == "Analyzer":
        from affectline.analyze import Analyzer

        return Analyzer
    if name == "Timeline":
        from affectline.timeline import Timeline

        return Timeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
