"""python -m abi"""

import sys

from abi.cli import main

if __name__ == "__main__":
    sys.exit(main())
