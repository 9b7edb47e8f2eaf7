"""Filters, paths and when values are the same."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs.define.errors import InvalidExpression, MissingExtra
from bgjobs.define.filters import Comparison, FilterError, compile_filter
from bgjobs.define.paths import compile_path
from bgjobs.define.values import MISSING, same, tagged, value_hash

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


def verdict(text: str, data: Any) -> bool | str:
    event = {"id": "e1", "name": "order/created", "key": None, "data": data}
    try:
        return compile_filter(text).matches(event)
    except FilterError as error:
        return error.reason


@pytest.mark.parametrize(
    ("text", "data", "expected"),
    [
        ("event.data.amount > 100", {"amount": 101}, True),
        ("event.data.amount > 100", {"amount": 100}, False),
        ("event.data.amount >= 1e2", {"amount": 100}, True),
        ("data.amount<-1.5", {"amount": -2}, True),
        ('event.data.plan == "pro"', {"plan": "pro"}, True),
        ("event.data.plan != 'pro'", {"plan": "free"}, True),
        ("event.data.plan != 'pro'", {}, False),  # R31: a missing path never matches
        ("event.data.plan == null", {}, False),
        ("event.data.plan == null", {"plan": None}, True),
        ("event.data.n == 5", {"n": 5.0}, True),  # R31: an integral float equals the int
        ("event.data.n == 5.0", {"n": 5}, True),
        ("event.data.n == 1", {"n": True}, False),  # R31: bool, text and number differ
        ("event.data.n == true", {"n": 1}, False),
        ('event.data.n == "5"', {"n": 5}, False),
        ('event.data.n != "5"', {"n": 5}, True),
        ("event.data.n > 5", {"n": "6"}, "type"),
        ("event.data.n > 5", {"n": None}, "type"),
        ("event.data.n > 0", {"n": True}, "type"),
        ('event.data.n > "a"', {"n": "b"}, True),
        ("event.data.items[1].sku == 'x'", {"items": [{}, {"sku": "x"}]}, True),
        ("event.data.items[2].sku == 'x'", {"items": [{}, {"sku": "x"}]}, False),
        ('event.data["a b"] == 1', {"a b": 1}, True),
        ("event.data.a.b.c == 1", {"a": {"b": 5}}, False),
        ("event.data.a == 1", "no mapping", False),
        ("event.name == 'order/created'", None, True),
        (r"event.data.t == 'it\'s \u00e9\n'", {"t": "it's é\n"}, True),
        ("event.data.amount > 100 && event.data.plan == 'pro'", {"amount": 101, "plan": "pro"}, True),
        ("event.data.plan.startsWith('p')", {"plan": "pro"}, True),
        ("event.data.items.exists(x, x.sku == 'b')", {"items": [{"sku": "a"}, {"sku": "b"}]}, True),
        ("event.data.missing.startsWith('p')", {}, False),
        ("has(event.data.plan) && event.data.plan == 'pro'", {}, False),
        ("event.data.plan + 1 > 2", {"plan": "pro"}, "type"),
        ("event.data.amount + 1", {"amount": 1}, "not_bool"),
    ],
)
def test_verdicts(text: str, data: Any, expected: bool | str) -> None:
    assert verdict(text, data) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "event.data.amount >", "== 5", "order.total > 5", "event.total > 5", "event > 5", "amount > 100",
        "event.data.x > true", "event.data.x < null", r"event.data.x == '\q'", "x" * 3000, "event.data. == 1",
        "1 == 1 &&", "event.data.x == y",
    ],
)  # fmt: skip
def test_unreadable(text: str) -> None:
    with pytest.raises(InvalidExpression) as refused:
        compile_filter(text)
    assert refused.value.remedy


def test_without_cel_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "bgjobs.define.cel_filters", raising=False)
    monkeypatch.setitem(sys.modules, "cel", None)
    compile_filter.cache_clear()
    compile_filter("event.data.amount > 100")
    with pytest.raises(MissingExtra, match=r"bgjobs\[cel\]"):
        compile_filter("event.data.amount > 100 && event.data.ok")


@given(scalars, scalars)
def test_built_in_and_cel_agree(literal: Any, value: Any) -> None:
    """The same comparison, once built in and once as CEL (by its parentheses)."""
    if isinstance(literal, float) and abs(literal) > 1e15:
        return  # CEL has 64-bit integers and rounds differently beyond
    text = json.dumps(literal, ensure_ascii=False) if not isinstance(literal, str) else _quoted(literal)
    for sign in ("==", "!="):
        plain, full = f"event.data.v {sign} {text}", f"(event.data.v {sign} {text})"
        assert isinstance(compile_filter(plain), Comparison)
        assert not isinstance(compile_filter(full), Comparison)
        assert verdict(plain, {"v": value}) == verdict(full, {"v": value}), (plain, value)


def _quoted(text: str) -> str:
    return '"' + "".join(f"\\U{ord(letter):08x}" for letter in text) + '"'


@given(st.text(max_size=80), values)
def test_any_text_compiles_or_is_refused_and_never_breaks(text: str, data: Any) -> None:
    try:
        compiled = compile_filter(text)
    except InvalidExpression:
        return
    event = {"id": "e1", "name": "n", "key": None, "data": data}
    with suppress(FilterError):
        assert compiled.matches(event) in (True, False)


@given(values, values)
def test_same_values_have_one_hash(left: Any, right: Any) -> None:
    assert same(left, right) == same(right, left) == (tagged(left) == tagged(right))
    assert (value_hash(left) == value_hash(right)) == same(left, right)
    assert same(left, json.loads(json.dumps(left)))


def test_what_is_the_same() -> None:
    """R31."""
    assert same(5, 5.0)
    assert same(-0.0, 0)
    assert same({"a": [1.0]}, {"a": (1,)})
    for left, right in [
        (1, True),
        (0, False),
        ("1", 1),
        (None, False),
        ("", None),
        (b"a", "a"),
        ([], {}),
        (0.5, "0.5"),
    ]:
        assert not same(left, right)
    assert not same(MISSING, MISSING)
    assert not same(float("nan"), float("nan"))


@given(st.lists(st.text(min_size=1, max_size=8) | st.integers(0, 5), min_size=1, max_size=5))
def test_paths_are_written_one_way(parts: list[str | int]) -> None:
    written = "event.data" + "".join(
        f"[{part}]" if isinstance(part, int) else f"[{json.dumps(part)}]" for part in parts
    )
    path = compile_path(written)
    assert path.parts == ("data", *parts)
    assert compile_path(path.text) == path
    nested: Any = "found"
    for part in reversed(parts):
        nested = {part: nested} if isinstance(part, str) else [None] * part + [nested]
    assert path.get({"data": nested}) == "found"
    assert path.get({"data": None}) is MISSING


def test_short_paths() -> None:
    assert compile_path("data.x") == compile_path(" event.data.x ") == compile_path('event["data"]["x"]')
    for wrong in (
        "",
        "event",
        "x",
        "event.x",
        "event.data.",
        "event.data..x",
        "event.data[x]",
        "event.data[-1]",
        "a b",
    ):
        with pytest.raises(InvalidExpression):
            compile_path(wrong)
