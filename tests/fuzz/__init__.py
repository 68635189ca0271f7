"""A longer fuzz of everything that reads what strangers wrote."""
