"""Rows that the tables of several papers have: a recipe with some of its modalities alone."""

from affectline.recipes import Recipe, only


def text(recipe: Recipe) -> Recipe:
    """Words alone."""
    return only(recipe, "text")


def audio(recipe: Recipe) -> Recipe:
    """Sound alone."""
    return only(recipe, "audio")


def video(recipe: Recipe) -> Recipe:
    """Pictures alone."""
    return only(recipe, "video")


def text_audio(recipe: Recipe) -> Recipe:
    """Words and sound."""
    return only(recipe, "text", "audio")


def text_video(recipe: Recipe) -> Recipe:
    """Words and pictures."""
    return only(recipe, "text", "video")


def audio_video(recipe: Recipe) -> Recipe:
    """Sound and pictures."""
    return only(recipe, "audio", "video")
