"""One self-contained page about a run: did it collapse, what did it learn, how does it see, what did it cost."""
