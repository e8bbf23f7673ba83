"""Two regions: where each record is at home, its copy in the other, fail-over and fail-back."""
