"""Judging networks by films."""
