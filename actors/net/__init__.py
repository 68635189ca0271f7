"""Sockets: the dial guard, the timer wheel and the epoll engine that drives sans-IO probes."""
