"""The benchmark behind `make bench`: outlive and its peers, side by side on the same work."""
