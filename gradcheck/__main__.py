"""``python -m gradcheck``."""

import sys

from gradcheck.main import main

sys.exit(main())
