"""Stored values back to the types that a callable's return annotation names.

What a step returns always went through bytes, on the first run just as on resume; the annotation then turns the plain
value into the dataclass, model, datetime, tuple ... that the function promised.
"""

from __future__ import annotations

import functools
import inspect
import logging
import types
import typing
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from weakref import WeakKeyDictionary

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

logger = logging.getLogger("bgjobs.worker")

Restorer = Callable[[Any], Any]

#: Annotations whose stored form is the value itself (or about which nothing is known).
_AS_IT_IS = frozenset(
    {Any, None, type(None), str, int, float, bool, bytes, dict, list, object, inspect.Signature.empty}
)

_known: WeakKeyDictionary[Any, Restorer | None] = WeakKeyDictionary()


def restorer_of(fn: Callable[..., Any]) -> Restorer | None:
    """What turns a plain value into `fn`'s return type; None if there is nothing to do."""
    target = _target(fn)
    annotations = getattr(target, "__annotations__", None)
    if not annotations or "return" not in annotations:
        return None
    try:
        return _known[target]
    except KeyError:
        found = _known[target] = _build(target)
        return found
    except TypeError:  # not hashable or not weakly referable
        return _build(target)


def restorer_for(annotation: Any, name: str) -> Restorer | None:
    """What turns a plain value into `annotation`; `name` is what a warning calls its origin."""
    if typing.get_origin(annotation) in (Awaitable, Coroutine):
        annotation = typing.get_args(annotation)[-1]
    if _is_plain(annotation):
        return None
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    except (PydanticSchemaGenerationError, PydanticUserError, NameError, TypeError):
        logger.debug("%s: the return type %r can't be restored; its plain value is returned", name, annotation)
        return None
    complained = False

    def restore(value: Any) -> Any:
        nonlocal complained
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            # The step is done and its effects are out: a wrong annotation must not fail the run after the fact.
            if not complained:
                complained = True
                problem = error.errors(include_url=False, include_input=False)[0]["msg"]
                logger.warning(
                    "%s returned a %s that does not fit its return annotation (%s); the plain value is used",
                    name,
                    type(value).__name__,
                    problem,
                )
            return value

    return restore


def _target(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function behind partials and callable objects, whose annotations count."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    if isinstance(fn, types.MethodType):
        return fn.__func__
    if not hasattr(fn, "__annotations__") or (not inspect.isroutine(fn) and not isinstance(fn, type)):
        call = getattr(type(fn), "__call__", None)  # noqa: B004
        if inspect.isfunction(call):
            return call
    return fn


def _build(fn: Callable[..., Any]) -> Restorer | None:
    name = getattr(fn, "__qualname__", repr(fn))
    try:
        annotation = typing.get_type_hints(fn, include_extras=True).get("return", Any)
    except Exception:
        # Names that exist only for type checkers; then the annotation as it is may still be one.
        annotation = fn.__annotations__["return"]
        if isinstance(annotation, str):
            return None
    return restorer_for(annotation, name)


def _is_plain(annotation: Any) -> bool:
    try:
        if annotation in _AS_IT_IS:
            return True
    except TypeError:
        return False
    origin = typing.get_origin(annotation)
    if origin in (list, dict):
        return all(_is_plain(inner) for inner in typing.get_args(annotation))
    if origin in (typing.Union, types.UnionType):
        return all(_is_plain(inner) for inner in typing.get_args(annotation))
    return isinstance(annotation, typing.TypeVar)
