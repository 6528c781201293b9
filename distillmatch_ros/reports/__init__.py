"""HTML report that assesses the registration of a recording."""
