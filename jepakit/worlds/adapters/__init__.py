"""Environments that others wrote, seen as ours: {"pixels", "proprio"}, to collect from and to be tried in.

They keep a hidden state (contacts, controllers, random numbers), so none of them is a `contracts.World`: nobody can ask
what would have come of other actions, and there are no plans with the true simulator in them.
"""
