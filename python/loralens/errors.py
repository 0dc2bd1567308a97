# SPDX-License-Identifier: Apache-2.0
"""Errors of loralens: each has the one line that the program prints, which says what, where and what to do."""


class Error(RuntimeError):
    """Anything that could not be done."""


class UsageError(Error, ValueError):
    """A request that contradicts itself or the data (exit status 2 of the program)."""
