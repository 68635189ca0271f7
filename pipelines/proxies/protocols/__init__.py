"""Protocol cores without I/O: generators that yield bytes to send and are sent bytes received."""
