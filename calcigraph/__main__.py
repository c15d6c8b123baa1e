"""`python -m calcigraph`: the same as the command `calcigraph`."""

from calcigraph.cli import main

if __name__ == "__main__":
    main()
