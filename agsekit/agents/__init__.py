"""Agents: finding out what to run where, and running it under protection."""
