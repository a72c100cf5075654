"""Generators and discriminators: plain modules that know no task."""
