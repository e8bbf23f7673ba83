"""Amazon Web Services: a table on DynamoDB (extra `aws`); buckets are opened by the `objects` family."""
