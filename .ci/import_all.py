"""Imports every module of the installed package: none may need an extra to be imported, but for the service.

That is made of its extra; where this is absent, importing it says how to install it.
"""

import importlib
import pkgutil

import affectline

names = [m.name for m in pkgutil.walk_packages(affectline.__path__, "affectline.")]
for name in names:
    if name.endswith("__main__"):
        continue
    try:
        importlib.import_module(name)
    except ImportError as error:
        if name != "affectline.server" or 'pip install "affectline[app]"' not in str(error):
            raise
print(f"{len(names)} modules of {affectline.__path__[0]} import")
