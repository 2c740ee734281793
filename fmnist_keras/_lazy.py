"""Packages whose parts are imported when they are first used."""

from importlib import import_module


def lazy(package, parts, **names):
    """Return the `__getattr__` and `__dir__` of a package, whose parts may be names in one of them."""

    def find(name):
        if name in names:
            return getattr(import_module(names[name], package), name)
        if name in parts:
            return import_module(f".{name}", package)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find, lambda: sorted(parts)
