"""`typing.NamedTuple` without `typing`, whose import takes as long as all of smtpfast's."""

from __future__ import annotations

from collections import namedtuple

# Type checkers take any constant of this name as true.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
    from typing import NamedTuple as NamedTuple
else:

    class _Fields(type):
        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            """A named tuple with the annotated fields; the class without bases is itself."""
            if not bases:
                return super().__new__(cls, name, bases, body)
            made = namedtuple(name, body["__annotations__"], module=body["__module__"])  # noqa: PYI024
            made.__doc__ = body.get("__doc__")
            return made

    class NamedTuple(metaclass=_Fields):
        """The base that turns a class's annotations into the fields of a tuple."""
