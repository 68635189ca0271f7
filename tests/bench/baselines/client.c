/* The limit: what the kernel alone costs. A bare epoll client that sends one request to each endpoint and reads
 * the answer, without looking at it. client FILE IN_FLIGHT; prints how many answered 200. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, MAX_FD = 1 << 20 };

static const char REQUEST[] =
    "GET http://judge/get?n=0123456789abcdef HTTP/1.1\r\nHost: judge\r\nUser-Agent: Mozilla/5.0\r\n"
    "Accept: */*\r\nConnection: close\r\n\r\n";
static char sent[MAX_FD];

static int start(int epoll, FILE *list) {
    char host[64];
    int port;
    if (fscanf(list, " %63[^:]:%d", host, &port) != 2) return 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, host, &address.sin_addr);
    connect(fd, (void *)&address, sizeof address);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    sent[fd] = 0;
    return 1;
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    FILE *list = fopen(arguments[1], "r");
    int epoll = epoll_create1(0), open = 0, limit = atoi(arguments[2]), good = 0, all = 0;
    struct epoll_event events[EVENTS];
    while (open < limit && start(epoll, list)) open++;
    while (open) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            char answer[8192];
            if (!sent[fd] && events[i].events & EPOLLOUT) {
                sent[fd] = 1;
                if (write(fd, REQUEST, sizeof REQUEST - 1) < 0) sent[fd] = 2;
            }
            ssize_t got = read(fd, answer, sizeof answer);
            if (got < 0 && sent[fd] == 1 && !(events[i].events & (EPOLLERR | EPOLLHUP))) continue;
            good += got > 12 && !memcmp(answer + 9, "200", 3);
            all++;
            close(fd);
            if (!start(epoll, list)) open--;
        }
    }
    printf("%d %d\n", all, good);
    return 0;
}
