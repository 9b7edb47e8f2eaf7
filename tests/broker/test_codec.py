"""Values become bytes and come back; what can't is named by its path."""

import dataclasses
import datetime as dt
import enum
import pathlib
import pickle
import subprocess
import sys
import threading
import uuid
from decimal import Decimal
from typing import Any, NamedTuple

import msgpack
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs.broker.codec import as_msgpack, decode, encode
from bgjobs.broker.errors import NotSerialisable, Undecodable


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Point(NamedTuple):
    x: int
    y: int


class Model(pydantic.BaseModel):
    when: dt.datetime
    amount: Decimal
    inner: dict[str, uuid.UUID] = {}
    named: int = pydantic.Field(default=1, alias="theName")


@dataclasses.dataclass
class Order:
    id: uuid.UUID
    lines: list[Point]


ID = uuid.UUID(int=7)
ZONE = dt.timezone(dt.timedelta(hours=2))

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes(timezones=st.just(dt.UTC)),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)


@given(plain)
def test_plain_values_come_back_equal(value: Any) -> None:
    assert decode(encode(value)) == value


@given(plain)
def test_the_walk_agrees_with_the_fast_path(value: Any) -> None:
    """A tuple sends a value through the walk; it must come out as the list that the fast path would make."""
    assert encode((value,)) == encode([value])


@pytest.mark.parametrize(
    ("value", "comes_back"),
    [
        ((1, 2), [1, 2]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Point(1, 2), [1, 2]),
        (Decimal("1.50"), "1.50"),
        (ID, str(ID)),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (dt.datetime.fromisoformat("2026-01-02T03:04:00"), "2026-01-02T03:04:00"),
        (dt.datetime(2026, 1, 2, 3, 4, tzinfo=ZONE), dt.datetime(2026, 1, 2, 1, 4, tzinfo=dt.UTC)),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.time(3, 4), "03:04:00"),
        (dt.timedelta(minutes=1, milliseconds=5), 60.005),
        (bytearray(b"\xff"), b"\xff"),
        ({1: "a", None: "b", ID: "c"}, {1: "a", None: "b", str(ID): "c"}),
        (Order(ID, [Point(1, 2)]), {"id": str(ID), "lines": [[1, 2]]}),
        (
            Model(when=dt.datetime(2026, 1, 2, tzinfo=dt.UTC), amount=Decimal("2.5"), inner={"a": ID}, theName=4),
            {"when": "2026-01-02T00:00:00Z", "amount": "2.5", "inner": {"a": str(ID)}, "theName": 4},
        ),
    ],
)
def test_rich_values(value: Any, comes_back: Any) -> None:
    assert decode(encode(value)) == comes_back
    assert decode(encode({"deep": [value]})) == {"deep": [comes_back]}


def test_a_model_with_aliases_can_be_validated_from_what_was_stored() -> None:
    model = Model(when=dt.datetime(2026, 1, 2, tzinfo=dt.UTC), amount=Decimal("2.5"), theName=4)
    assert Model.model_validate(decode(encode(model))) == model


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"items": [1, 2, 3, {"when": threading.Lock()}]}, "data.items[3].when"),
        ({"a b": object()}, "data['a b']"),
        ({"n": {"big": 2**64}}, "data.n.big"),
        (Order(ID, [object()]), "data.lines[0]"),  # type: ignore[list-item]
        ({"kind": dict}, "data.kind"),
        ({(1, 2): "x"}, "a key of data"),
        ({"text": "\ud800"}, "data.text"),
        ({"\ud800": 1}, "a key of data"),
        ({"gen": (x for x in "ab")}, "data.gen"),
        (lambda: None, "data"),
    ],
)
def test_what_cannot_be_stored_is_named_by_its_path(value: Any, path: str) -> None:
    with pytest.raises(NotSerialisable) as raised:
        encode(value, "data")
    assert raised.value.path.startswith(path)
    assert str(raised.value).startswith(path)
    assert raised.value.remedy in str(raised.value)


def test_what_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append({"again": endless})
    with pytest.raises(NotSerialisable, match="nested more than"):
        encode(endless, "data")


def test_a_failed_value_leaves_nothing_behind_in_the_packer() -> None:
    with pytest.raises(NotSerialisable):
        encode([1, 2, object()])
    assert encode([3]) == msgpack.packb([3])


def test_large_values_and_many_threads() -> None:
    """Packers are per thread: values encoded at the same time don't mix."""
    values = [{"thread": number, "text": "x" * (3_000_000 if number == 0 else 100)} for number in range(8)]
    failures: list[Any] = []

    def work(value: Any) -> None:
        turns = 3 if value["thread"] == 0 else 300
        failures.extend(value["thread"] for _ in range(turns) if decode(encode(value)) != value)

    threads = [threading.Thread(target=work, args=(value,)) for value in values]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_json_text_from_other_languages_is_read() -> None:
    assert decode(b'{"amount": 5, "tags": ["a"]}') == {"amount": 5, "tags": ["a"]}
    assert decode(b"[1, 2]") == [1, 2]
    assert decode(msgpack.packb(0x7B)) == 0x7B  # the byte of "{" alone is the number 123


def test_stored_data_is_put_into_one_form() -> None:
    """Scripts splice event data into other values, so JSON text must not stay as it is."""
    assert as_msgpack(b'{"a": 1}') == encode({"a": 1})
    assert as_msgpack(b"") == encode(None)
    for packed in (encode({"a": 1}), encode(0x7B), encode(0x5B), encode("{")):
        assert as_msgpack(packed) is packed
    with pytest.raises(Undecodable):
        as_msgpack(b"{broken")


@pytest.mark.parametrize("data", [b"", b"\xc1", b"{broken", b"\x92\x01", b"\x01\x02", b"[" * 100_000])
def test_garbage_is_undecodable(data: bytes) -> None:
    with pytest.raises(Undecodable):
        decode(data)


def test_errors_survive_pickling() -> None:
    error = NotSerialisable("data.x", "it is of type y")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.path) == (str(error), "data.x")


def test_encoding_does_not_load_pydantic() -> None:
    code = (
        "import sys; from bgjobs.broker.codec import encode; encode({'a': (1,)}); assert 'pydantic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
