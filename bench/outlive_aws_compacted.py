"""outlive on DynamoDB and S3 with an agent that compacts its conversation, as a contestant."""

from __future__ import annotations

from bench.outlive_compacted import OutliveAwsCompacted

CONTESTANT = OutliveAwsCompacted
