"""What happens to a record. Pure: no Ray, no sockets, no clock, no environment; time is passed in."""
