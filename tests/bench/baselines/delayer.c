/* "Proxies" that take their time: every 127.x.y.z on one port answers as answerer.c does, after FIRST + (y * 256 +
 * z) % SPREAD milliseconds, kept to the microsecond by a heap of deadlines. `delayer FIRST SPREAD`; prints its port. */
#define _GNU_SOURCE
#include <errno.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512, REQUEST = 4096, MOST = 1 << 16 };

static struct held { double due; int fd; char *target, ip[INET_ADDRSTRLEN]; } heap[MOST];
static int held;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void sift(int at) {
    for (int child; (child = 2 * at + 1) < held; at = child) {
        if (child + 1 < held && heap[child + 1].due < heap[child].due) child++;
        if (heap[at].due <= heap[child].due) return;
        struct held other = heap[at];
        heap[at] = heap[child], heap[child] = other;
    }
}

static void hold(struct held item) {
    int at = held++;
    for (heap[at] = item; at && heap[at].due < heap[(at - 1) / 2].due; at = (at - 1) / 2) {
        struct held other = heap[at];
        heap[at] = heap[(at - 1) / 2], heap[(at - 1) / 2] = other;
    }
}

static void answer(struct held *item) {
    char body[REQUEST + 512], reply[REQUEST + 1024];
    int length = snprintf(body, sizeof body,
                          "{\"headers\": {\"Accept\": \"*/*\", \"Host\": \"judge\", \"User-Agent\": \"Mozilla/5.0\"}, "
                          "\"origin\": \"%s\", \"url\": \"%s%s\"}",
                          item->ip, *item->target == '/' ? "http://judge" : "", item->target);
    int total = snprintf(reply, sizeof reply, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
                         length, body);
    if (write(item->fd, reply, total) < 0 && errno != ECONNRESET && errno != EPIPE) perror("delayer");
    close(item->fd);
    free(item->target);
}

static void take(int fd, int first, int spread) {
    char request[REQUEST];
    ssize_t got = read(fd, request, sizeof request - 1); /* requests of benchmarks come in one piece */
    char *target, *end;
    if (got <= 0 || held == MOST) {
        close(fd);
        return;
    }
    request[got] = 0;
    if (!(target = strchr(request, ' ')) || !(end = strchr(++target, ' '))) return;
    *end = 0;
    struct sockaddr_in self;
    socklen_t size = sizeof self;
    getsockname(fd, (void *)&self, &size);
    struct held item = {.due = now() + (first + (ntohl(self.sin_addr.s_addr) & 0xffff) % spread) / 1e3, .fd = fd};
    item.target = strdup(target);
    inet_ntop(AF_INET, &self.sin_addr, item.ip, sizeof item.ip);
    hold(item);
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    int accepting = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), epoll = epoll_create1(0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (setsockopt(accepting, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) ||
        bind(accepting, (void *)&address, sizeof address) || listen(accepting, 4096)) {
        perror("delayer");
        return 1;
    }
    socklen_t size = sizeof address;
    getsockname(accepting, (void *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = accepting}, events[EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, accepting, &event);
    for (;;) {
        double left = held ? heap[0].due - now() : 1;
        struct timespec patience = {.tv_nsec = left > 0 ? left < 0.5 ? left * 1e9 : 5e8 : 0};
        int ready = epoll_pwait2(epoll, events, EVENTS, &patience, NULL);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd != accepting) {
                epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
                take(fd, atoi(arguments[1]), atoi(arguments[2]));
                continue;
            }
            while ((fd = accept4(accepting, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                event = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
                epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
            }
        }
        while (held && heap[0].due <= now()) {
            answer(&heap[0]);
            heap[0] = heap[--held];
            sift(0);
        }
    }
}
