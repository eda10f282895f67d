"""Imports every module of the installed package: none may need an extra to be imported."""

import importlib
import pkgutil

import affectline

names = [m.name for m in pkgutil.walk_packages(affectline.__path__, "affectline.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(f"{len(names)} modules of {affectline.__path__[0]} import")
