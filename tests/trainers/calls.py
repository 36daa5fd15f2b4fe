"""Functions that cannot be trainers, and some that can, by how they are called."""

import functools


def one(params): ...


def keywords(*, params, report): ...


async def coroutine(params, report): ...


def generator(params, report):
    yield 1


def main(argv=None): ...


class Made:
    def __init__(self, params, report): ...

    def __call__(self, params, report): ...


def three(params, report, extra): ...


def good(params, report, *, checkpoint, directory=None): ...


good_partial = functools.partial(three, extra=1)
good_object = Made(1, 2)


def good_words(*args, **kwargs): ...
