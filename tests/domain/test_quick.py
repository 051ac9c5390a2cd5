"""Quick data classes are as frozen, as strict and as equal as all others."""

from __future__ import annotations

import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from referral.domain.quick import quick


@quick
@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 2
    name: str = field(default="here", kw_only=True)


@dataclass(frozen=True, slots=True)
class Plain:
    x: int
    y: int = 2
    name: str = field(default="here", kw_only=True)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Even:
    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError("odd")


def test_it_is_made_in_the_same_way_and_compares_and_copies_in_the_same_way() -> None:
    assert inspect.signature(Point) == inspect.signature(Plain)
    made = Point(1, name="there")
    assert (made.x, made.y, made.name) == (1, 2, "there")
    assert made == Point(1, 2, name="there") != Point(1)
    assert hash(made) == hash(Point(1, 2, name="there"))
    assert replace(made, y=5) == Point(1, 5, name="there")
    assert pickle.loads(pickle.dumps(made)) == made
    assert repr(made) == "Point(x=1, y=2, name='there')"


def test_it_does_not_go_through_the_slow_way() -> None:
    """What dataclasses writes for a frozen class asks object.__setattr__ for every field."""
    assert "__setattr__" in Plain.__init__.__code__.co_names
    assert "__setattr__" not in Point.__init__.__code__.co_names


@pytest.mark.parametrize("arguments", [(), (1, 2, "there")])
def test_wrong_arguments_are_refused(arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError, match="argument"):
        Point(*arguments)  # type: ignore[arg-type]


def test_nothing_is_changed_afterwards() -> None:
    with pytest.raises(FrozenInstanceError):
        Point(1).x = 2  # type: ignore[misc]


def test_what_a_class_checks_is_checked() -> None:
    assert Even(number=4).number == 4
    with pytest.raises(ValueError, match="odd"):
        Even(number=3)


def test_a_class_that_cannot_be_made_so_is_refused() -> None:
    @dataclass(frozen=True, slots=True)
    class Anew:
        items: list[int] = field(default_factory=list)

    @dataclass(frozen=True)
    class Open:
        x: int

    with pytest.raises(TypeError, match="made anew"):
        quick(Anew)
    with pytest.raises(TypeError, match="no slots"):
        quick(Open)
