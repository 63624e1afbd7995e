"""`python -m mljobs`: the `mljobs` command, for where its script is not on the path."""

from mljobs.cli.app import main

if __name__ == "__main__":
    main()
