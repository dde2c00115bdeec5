"""`python -m infra.embedded`: run an app on this machine."""

import gc
import sys

if __name__ == "__main__":
    # What a host loads stays: until all of it is there, no garbage is looked for among it.
    gc.disable()
    from infra.embedded.command import main

    sys.exit(main())
