/*
 * The load for the floor, which is no WebSocket server: on each connection so many messages of so
 * many bytes are on their way, laid out and gathered like the masked frames of a client, and what
 * comes back must be the same bytes.
 *
 * raw_load PORT CONNECTIONS DEPTH SIZE WARM_UP SECONDS SERVER_PID
 *
 * Prints the echoes of the measured time, and the processor time of the server in it, in seconds.
 */
#include <sys/epoll.h>
#include <time.h>

#include "net.h"

struct connection {
	int fd;
	/* Of a batch: what has gone out, and what has come back. */
	size_t out, in;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The processor time of a process of one thread. */
static double cpu(const char *pid)
{
	char path[64];
	unsigned long long ns = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%s/schedstat", pid);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%llu", &ns) != 1)
		die(path);
	fclose(file);
	return (double)ns / 1e9;
}

static void push(int set, struct connection *c, const char *batch, size_t len)
{
	ssize_t sent = send(c->fd, batch + c->out, len - c->out, MSG_NOSIGNAL | MSG_DONTWAIT);
	struct epoll_event event = { .data.ptr = c };
	size_t before = c->out;

	c->out += sent > 0 ? (size_t)sent : 0;
	if (c->out == len && before == 0)
		return; /* it was not waiting for the socket */
	event.events = EPOLLIN | (c->out < len ? EPOLLOUT : 0);
	epoll_ctl(set, EPOLL_CTL_MOD, c->fd, &event);
}

int main(int argc, char **argv)
{
	if (argc != 8) {
		fprintf(stderr, "raw_load PORT CONNECTIONS DEPTH SIZE WARM_UP SECONDS PID\n");
		return 2;
	}
	int count = atoi(argv[2]), depth = atoi(argv[3]);
	size_t size = (size_t)atol(argv[4]);
	size_t frame = size + (size < 126 ? 6 : size < 65536 ? 8 : 14), len = frame * (size_t)depth;
	double warm_up = atof(argv[5]), seconds = atof(argv[6]), start, used = 0;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])) };
	struct connection *all = calloc((size_t)count, sizeof *all);
	char *batch = malloc(len), *buffer = malloc(BUFFER);
	unsigned long long echoes = 0;
	int set = epoll_create1(EPOLL_CLOEXEC), measuring = 0;

	if (!all || !batch || !buffer || set < 0)
		die("memory");
	for (size_t i = 0; i < len; i++)
		batch[i] = (char)(i * 131 + i / 251);
	for (int i = 0; i < count; i++) {
		struct connection *c = &all[i];
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

		to.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (unsigned)i / 20000);
		c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to))
			die("connect");
		no_delay(c->fd);
		epoll_ctl(set, EPOLL_CTL_ADD, c->fd, &event);
	}
	for (int i = 0; i < count; i++)
		push(set, &all[i], batch, len);
	start = now() + warm_up;
	for (;;) {
		struct epoll_event events[1024];
		int n = epoll_wait(set, events, 1024, 1000);
		double time = now();

		if (!measuring && time >= start) {
			measuring = 1;
			start = time;
			echoes = 0;
			used = cpu(argv[7]);
		} else if (measuring && time >= start + seconds) {
			printf("%llu %.9f\n", echoes, cpu(argv[7]) - used);
			return 0;
		}
		for (int i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;
			ssize_t got;

			if (events[i].events & EPOLLOUT)
				push(set, c, batch, len);
			if (!(events[i].events & EPOLLIN))
				continue;
			got = recv(c->fd, buffer, BUFFER, MSG_DONTWAIT);
			if (got < 0 && errno == EAGAIN)
				continue;
			if (got <= 0 || c->in + (size_t)got > len || memcmp(buffer, batch + c->in, (size_t)got)) {
				fprintf(stderr, "that is no echo\n");
				return 1;
			}
			c->in += (size_t)got;
			if (c->in == len) {
				echoes += (unsigned)depth;
				c->in = c->out = 0;
				push(set, c, batch, len);
			}
		}
	}
}
