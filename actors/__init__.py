"""The I/O shells: sockets, files, Ray. They move bytes; what the bytes mean is decided in pipelines/."""
