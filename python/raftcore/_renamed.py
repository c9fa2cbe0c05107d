# SPDX-License-Identifier: Apache-2.0
"""Old names of what has a better one. They work for one release, with a DeprecationWarning."""

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["takes_old_names", "warn_of_old_name"]

Class = TypeVar("Class", bound=type[Any])


def warn_of_old_name(old: str, new: str) -> None:
    """Warns who called the caller."""
    warnings.warn(f"{old} is called {new} now", DeprecationWarning, stacklevel=3)


def takes_old_names(**renamed: str) -> Callable[[Class], Class]:
    """A class whose ``__init__`` takes keyword arguments by their old names, too."""

    def decorate(cls: Class) -> Class:
        init = cls.__init__

        @functools.wraps(init)
        def takes_any(self: object, *arguments: object, **named: object) -> None:
            for old in renamed.keys() & named.keys():
                warn_of_old_name(f"{cls.__name__}({old}=...)", renamed[old])
                named[renamed[old]] = named.pop(old)
            init(self, *arguments, **named)

        cls.__init__ = takes_any
        return cls

    return decorate
