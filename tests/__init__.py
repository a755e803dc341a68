"""Tests; a folder of them is named after the package that it tests.

A package in the full sense, for what tests share: of a mere folder, Python would rather take one of
the same name that an installed library puts anywhere on its path.
"""
