"""Awaiting several things at once, with one plain error when one of them fails."""

import asyncio
from collections.abc import Coroutine, Iterable
from contextlib import nullcontext
from typing import Any, TypeVar, overload

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")


async def all_of(coroutines: Iterable[Coroutine[Any, Any, A]], at_once: int | None = None) -> list[A]:
    """All results in their order, at most so many under way `at_once`.

    The first failure cancels the rest, waits for them and is raised as it is.
    """
    slots = asyncio.Semaphore(at_once) if at_once else nullcontext()

    async def one(coroutine: Coroutine[Any, Any, A]) -> A:
        async with slots:
            return await coroutine

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(coroutine)) for coroutine in coroutines]
    except BaseExceptionGroup as failures:
        first = failures.exceptions[0]
        raise first from first.__cause__
    return [task.result() for task in tasks]


@overload
async def side_by_side(a: Coroutine[Any, Any, A], b: Coroutine[Any, Any, B], /) -> tuple[A, B]: ...
@overload
async def side_by_side(
    a: Coroutine[Any, Any, A],
    b: Coroutine[Any, Any, B],
    c: Coroutine[Any, Any, C],
    d: Coroutine[Any, Any, D],
    e: Coroutine[Any, Any, E],
    /,
) -> tuple[A, B, C, D, E]: ...
async def side_by_side(*coroutines: Coroutine[Any, Any, Any]) -> tuple[Any, ...]:
    """`all_of` for reads of different types."""
    return tuple(await all_of(coroutines))
