"""What one turn is made of, from the lease to the commit; `flows.run_turn` puts the steps in order."""
