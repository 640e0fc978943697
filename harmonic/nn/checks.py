"""Checks of arguments: each error names the argument, the value given and what is allowed."""

from typing import Any

from torch import nn


def integer(name: str, value: Any, *, least: int) -> int:
    """The value as int; TypeError if it is none (bool counts as none), ValueError below least."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise wrong_type(name, value, "an integer")
    number = int(value.__index__())
    if number < least:
        raise ValueError(f"{name}={value!r} must be at least {least}")
    return number


def pair(name: str, value: Any, *, least: int) -> tuple[int, int]:
    """Two integers, (height, width), from one number or a sequence of one or two."""
    if not isinstance(value, list | tuple):
        number = integer(name, value, least=least)
        return number, number
    if len(value) not in (1, 2):
        raise ValueError(f"{name}={value!r} must be one integer or two, not {len(value)}")
    try:
        return integer(name, value[0], least=least), integer(name, value[-1], least=least)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}={value!r}: {error}") from None


def probability(name: str, value: Any) -> float:
    """The value as float; TypeError if it is no number, ValueError if it is not in 0 … 1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type(name, value, "a number")
    if not 0 <= value <= 1:
        raise ValueError(f"{name}={value!r} must be between 0 and 1")
    return float(value)


def one_of(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """The value if it is one of the allowed names, else ValueError."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name}={value!r} is unknown: choose one of {', '.join(allowed)}")
    return value


def boolean(name: str, value: Any) -> bool:
    """The value if it is True or False, else TypeError."""
    if not isinstance(value, bool):
        raise wrong_type(name, value, "True or False")
    return value


def module(name: str, value: Any) -> nn.Module:
    """The value if it is a module, else TypeError."""
    if not isinstance(value, nn.Module):
        raise wrong_type(name, value, "an nn.Module")
    return value


def wrong_type(name: str, value: Any, needed: str) -> TypeError:
    return TypeError(f"{name}={value!r} must be {needed}, not {type(value).__name__}")
