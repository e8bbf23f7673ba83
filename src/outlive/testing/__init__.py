"""What a backend of your own is tested with: contract suites, fault injection and a clock that tests move."""

import sys

# The suites' assertions explain themselves under pytest; outside it, nothing of pytest is loaded.
if "pytest" in sys.modules:
    for suite in (
        *("table", "table_contract", "table_lease"),
        *("queue", "queue_contract", "queue_delivery"),
        "objects",
        "hot_cache",
    ):
        sys.modules["pytest"].register_assert_rewrite(f"outlive.testing.{suite}")
