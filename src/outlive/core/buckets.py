"""What a bucket's name says of its kind.

Directory buckets (S3 Express One Zone) are told by their names: `BASE--ZONE--x-s3`
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/directory-bucket-naming-rules.html).
"""

from __future__ import annotations

import re

_EXPRESS = re.compile(r"[a-z0-9.-]+--([a-z0-9]+-az[0-9]+)--x-s3")


def express_zone(bucket: str) -> str:
    """The id of the zone that a directory bucket lies in, such as `use1-az4`; empty for any other bucket."""
    found = _EXPRESS.fullmatch(bucket)
    return found[1] if found else ""
