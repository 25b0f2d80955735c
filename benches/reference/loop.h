/* The epoll loop of the reference programs: level-triggered, reading stops while a tail waits. */
#ifndef LOOP_H
#define LOOP_H

#include <sys/epoll.h>

#include "net.h"

static int set;
static struct tail tails[FDS];

static void watch(int op, int fd, unsigned events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	epoll_ctl(set, op, fd, &event);
}

/* Puts bytes out on a connection. */
static void put(int fd, const char *bytes, size_t len)
{
	if (!send_or_keep(fd, &tails[fd], bytes, len))
		watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
}

/* Calls `take` with what each read gives; `begin` and `end` with each connection. */
static void serve(int port, void (*begin)(int), void (*take)(int, char *, size_t),
		  void (*end)(int))
{
	static char buffer[BUFFER + 8];
	struct epoll_event events[1024];
	int listener = listen_at(port);

	set = epoll_create1(EPOLL_CLOEXEC);
	watch(EPOLL_CTL_ADD, listener, EPOLLIN);
	for (;;) {
		int n = epoll_wait(set, events, 1024, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == listener) {
				int new = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

				if (new < 0)
					continue;
				if (new >= FDS) {
					close(new);
					continue;
				}
				no_delay(new);
				watch(EPOLL_CTL_ADD, new, EPOLLIN);
				begin(new);
				continue;
			}
			if (tails[fd].len && (events[i].events & EPOLLOUT)) {
				if (send_kept(fd, &tails[fd]))
					watch(EPOLL_CTL_MOD, fd, EPOLLIN);
				continue;
			}
			ssize_t got = recv(fd, buffer, BUFFER, 0);

			if (got > 0) {
				take(fd, buffer, (size_t)got);
			} else if (got == 0 || errno != EAGAIN) {
				end(fd);
				free(tails[fd].bytes);
				memset(&tails[fd], 0, sizeof tails[fd]);
				close(fd);
			}
		}
	}
}

#endif
