"""`python -m affectline` is the command `affectline`."""

import sys

from affectline.cli import main

if __name__ == "__main__":
    sys.exit(main())
