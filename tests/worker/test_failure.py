"""Exceptions as stored error maps."""

import json
from collections.abc import Callable

from bgjobs.broker.codec import decode
from bgjobs.define.errors import NonRetriable, StepFailed
from bgjobs.worker.failure import Failure, describe
from tests.worker.libraries import installed


def raised(error: BaseException) -> BaseException:
    secret = "hunter2"
    try:
        raise error
    except BaseException as caught:
        assert secret
        return caught


def test_type_message_traceback_attempt() -> None:
    failure = describe(raised(ValueError("bad input")), 3)
    assert failure.error["type"] == "ValueError"
    assert failure.error["message"] == "bad input"
    assert failure.error["attempt"] == 3
    assert "in raised\n    raise error\nValueError: bad input" in failure.error["traceback"]
    assert decode(failure.packed) == failure.error


def test_own_types_are_named_as_they_are_imported() -> None:
    failure = describe(raised(NonRetriable("card declined")), 1)
    assert failure.error["type"] == "bgjobs.NonRetriable"
    assert failure.error["traceback"].endswith("\nbgjobs.NonRetriable: card declined\n")


def test_never_local_variables() -> None:
    assert "hunter2" not in describe(raised(ValueError()), 1).error["traceback"]


def test_causes_are_told() -> None:
    error = ValueError("outer")
    error.__cause__ = raised(KeyError("inner"))
    traceback = describe(raised(error), 1).error["traceback"]
    assert "KeyError: 'inner'" in traceback
    assert "direct cause" in traceback


def test_what_cannot_be_printed_is_still_described() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert "can't be read" in describe(raised(Broken()), 1).error["message"]
    assert describe(raised(ValueError("\ud800")), 1).packed


def test_long_texts_are_cut() -> None:
    failure = describe(raised(ValueError("x" * 100_000)), 1)
    assert len(failure.error["message"]) < 2_100
    assert len(failure.error["traceback"]) < 16_100


def test_a_group_names_what_it_holds() -> None:
    failure = describe(raised(ExceptionGroup("two", [ValueError("a"), KeyError("b")])), 1)
    assert failure.error["type"] == "ExceptionGroup"
    assert "ValueError: a" in failure.error["traceback"]
    assert describe(raised(ExceptionGroup("one", [ValueError("a")])), 1).error["type"] == "ValueError"


def test_a_failed_step_brings_its_own_error() -> None:
    own = {"type": "shop.CardDeclined", "message": "no money", "traceback": "deep", "attempt": 5, "place": "shop:pay"}
    failure = describe(raised(StepFailed("charge", own)), 1)
    assert failure.error == {**own, "step": "charge"}
    assert not failure.retriable


def caught(call: Callable[[], object]) -> Failure:
    try:
        call()
    except Exception as error:
        return describe(error, 1)
    raise AssertionError


def place_one() -> Failure:
    return describe(raised(ValueError("1")), 1)


def test_equal_failures_from_one_place_share_a_fingerprint() -> None:
    assert place_one().fingerprint == place_one().fingerprint
    assert place_one().fingerprint != describe(raised(KeyError("1")), 1).fingerprint


def ask(url: str) -> None:
    LIBRARY["get"](url)


def ask_elsewhere(url: str) -> None:
    LIBRARY["get"](url)


LIBRARY = installed("def get(url):\n    return connect(url)\ndef connect(url):\n    raise OSError(url)\n", "webs.http")


def test_the_innermost_frame_of_the_users_own_code_tells_the_place() -> None:
    """Not the library's, of which many places make use; neither the message nor the line matters."""
    first = caught(lambda: ask("a"))
    assert first.error["place"] == f"{__name__}:ask"
    assert first.fingerprint == caught(lambda: ask("b")).fingerprint
    assert first.fingerprint != caught(lambda: ask_elsewhere("a")).fingerprint
    assert caught(lambda: json.loads("{")).error["place"].startswith(f"{__name__}:test_the_innermost")


def test_code_that_is_installed_as_a_package_has_places_too() -> None:
    names = {**LIBRARY}
    shop = installed("def charge():\n    return get('bank')\ndef get(url):\n    return web(url)\n", "shop.jobs")
    shop["web"] = names["get"]
    error = OSError()
    try:
        shop["charge"]()
    except OSError as caught_error:
        error = caught_error
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next  # without this test's own frame
    assert describe(error, 1).error["place"] == "shop.jobs:get"


def test_a_failed_step_keeps_its_place() -> None:
    """Two steps that fail in one function are two groups, wherever the function called them."""
    places = [caught(lambda: ask("a")), caught(lambda: ask_elsewhere("a"))]
    failures = [describe(raised(StepFailed("s", each.error)), 1) for each in places]
    assert [each.fingerprint for each in failures] == [each.fingerprint for each in places]
    assert failures[0].fingerprint != failures[1].fingerprint
