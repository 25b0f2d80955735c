/* What the reference programs share: a listener, a socket's options, sending what does not fit. */
#ifndef NET_H
#define NET_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The receive buffer, of which there is one. */
#define BUFFER (512 * 1024)
/* The most connections. */
#define FDS 32768

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Listens at 127.0.0.1, on any port if `port` is 0, and says where. */
static inline int listen_at(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t len = sizeof at;
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 4096) ||
	    getsockname(fd, (struct sockaddr *)&at, &len))
		die("listen");
	printf("listening on ws://127.0.0.1:%d\n", ntohs(at.sin_port));
	fflush(stdout);
	return fd;
}

static inline void no_delay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/* What the socket of a connection did not take yet. */
struct tail {
	char *bytes;
	size_t len;
};

/* Sends, and keeps what is not taken. Whether nothing is kept. */
static inline int send_or_keep(int fd, struct tail *tail, const char *bytes, size_t len)
{
	ssize_t sent = tail->len ? 0 : send(fd, bytes, len, MSG_NOSIGNAL);
	size_t rest = len - (sent < 0 ? 0 : (size_t)sent);

	if (!rest && !tail->len)
		return 1;
	tail->bytes = realloc(tail->bytes, tail->len + rest);
	if (!tail->bytes)
		die("memory");
	memcpy(tail->bytes + tail->len, bytes + (len - rest), rest);
	tail->len += rest;
	return 0;
}

/* Sends what was kept. Whether nothing is any more. */
static inline int send_kept(int fd, struct tail *tail)
{
	ssize_t sent = send(fd, tail->bytes, tail->len, MSG_NOSIGNAL);

	if (sent > 0) {
		tail->len -= (size_t)sent;
		memmove(tail->bytes, tail->bytes + sent, tail->len);
	}
	if (!tail->len) {
		free(tail->bytes);
		tail->bytes = NULL;
	}
	return !tail->len;
}

#endif
