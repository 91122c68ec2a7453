"""`python -m pytest_metaprompt`: what there is beside pytest itself."""

import sys

from pytest_metaprompt.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
