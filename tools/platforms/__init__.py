"""Tries the package on other platforms; not installed with it."""
