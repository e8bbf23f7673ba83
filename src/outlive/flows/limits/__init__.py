"""What a tenant may use and has used: limits, the kill switch, spending, the bill."""
