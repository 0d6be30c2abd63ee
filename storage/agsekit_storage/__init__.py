"""Snapshots of a live folder that never lose anything: usable without the rest of agsekit.

The steps are `walk` (what is there), `changes.compare` (what differs), a backend (write), and the store (commit).
Most callers need `Store.create`, `take_snapshot` and `restore` only.
"""
