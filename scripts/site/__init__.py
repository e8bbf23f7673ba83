"""What the documentation site needs beyond the pages themselves."""
