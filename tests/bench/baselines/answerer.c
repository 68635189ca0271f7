/* Any number of "proxies" for benchmarks: every 127.x.y.z on one port answers each request at once with what
 * httpbin's /get would say. Bound to the loopback device, so nobody else can reach it. Prints its port. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, REQUEST = 4096 };

static int listener(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) || bind(fd, (void *)&address, sizeof address) ||
        listen(fd, 4096)) {
        perror("answerer");
        exit(1);
    }
    socklen_t size = sizeof address;
    getsockname(fd, (void *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void answer(int fd, char *request) {
    struct sockaddr_in self;
    socklen_t size = sizeof self;
    char ip[INET_ADDRSTRLEN], body[REQUEST + 512], reply[REQUEST + 1024];
    getsockname(fd, (void *)&self, &size);
    inet_ntop(AF_INET, &self.sin_addr, ip, sizeof ip);
    char *target = strchr(request, ' ');
    if (!target) return;
    char *end = strchr(++target, ' ');
    if (!end) return;
    *end = 0;
    int length = snprintf(body, sizeof body,
                          "{\"args\": {}, \"headers\": {\"Accept\": \"*/*\", \"Host\": \"judge\", \"User-Agent\": "
                          "\"Mozilla/5.0\"}, \"origin\": \"%s\", \"url\": \"%s%s\"}",
                          ip, *target == '/' ? "http://judge" : "", target);
    int total = snprintf(reply, sizeof reply,
                         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
                         "Content-Length: %d\r\n\r\n%s", length, body);
    if (write(fd, reply, total) < 0) return;
}

int main(void) {
    int accepting = listener(), epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = accepting}, events[EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, accepting, &event);
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == accepting) {
                while ((fd = accept4(accepting, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    event = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
                    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
                }
                continue;
            }
            char request[REQUEST];
            ssize_t got = read(fd, request, sizeof request - 1); /* requests of benchmarks come in one piece */
            if (got > 8 && !memcmp(request, "CONNECT ", 8)) { /* what follows in the tunnel is answered here, too */
                static const char opened[] = "HTTP/1.1 200 OK\r\n\r\n";
                if (write(fd, opened, sizeof opened - 1) > 0) continue;
            }
            if (got > 0) {
                request[got] = 0;
                answer(fd, request);
            }
            close(fd);
        }
    }
}
