"""Goal to actions, for anything that can imagine."""
