"""Many bags: planned, shared out among workers, resumed after a fault, and gathered in a table."""
