/*
 * The floor over io_uring(7): multishot receives into a ring of provided buffers, and what has
 * come for a connection in one batch of completions goes back in one send.
 */
#include <liburing.h>

#include "net.h"

#define BUFFERS 128
#define BUFFER_SIZE (16 * 1024 + 64)
#define GROUP 0

/* What a completion is of, in the upper half of its user data; the descriptor is in the lower. */
enum { ACCEPT, RECEIVE, SEND };

struct connection {
	/* What goes back next. */
	char *out;
	size_t len, room;
	/* What is on its way. */
	char *sending;
	size_t sent, total, sending_room;
	char queued, closing;
};

static struct io_uring ring;
static struct io_uring_buf_ring *pool;
static char buffers[BUFFERS][BUFFER_SIZE];
static struct connection all[FDS];
static int dirty[FDS], dirty_count;

static struct io_uring_sqe *entry(int what, int fd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	if (!sqe) {
		io_uring_submit(&ring);
		sqe = io_uring_get_sqe(&ring);
	}
	if (!sqe)
		die("no submission entry");
	io_uring_sqe_set_data64(sqe, (unsigned long long)what << 32 | (unsigned)fd);
	return sqe;
}

static void receive(int fd)
{
	struct io_uring_sqe *sqe = entry(RECEIVE, fd);
	unsigned long long data = sqe->user_data;

	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	sqe->user_data = data;
}

static void send_on(int fd)
{
	struct connection *c = &all[fd];
	struct io_uring_sqe *sqe = entry(SEND, fd);
	unsigned long long data = sqe->user_data;

	io_uring_prep_send(sqe, fd, c->sending + c->sent, c->total - c->sent, MSG_NOSIGNAL);
	sqe->user_data = data;
}

static void finish(int fd)
{
	struct connection *c = &all[fd];

	free(c->out);
	free(c->sending);
	memset(c, 0, sizeof *c);
	close(fd);
}

/* Puts bytes behind what goes back next. */
static void keep(int fd, const char *bytes, size_t len)
{
	struct connection *c = &all[fd];

	if (c->len + len > c->room) {
		c->room = (c->len + len) * 2;
		c->out = realloc(c->out, c->room);
		if (!c->out)
			die("memory");
	}
	memcpy(c->out + c->len, bytes, len);
	c->len += len;
	if (!c->queued) {
		c->queued = 1;
		dirty[dirty_count++] = fd;
	}
}

/* Sends what has gathered, unless something is on its way still. */
static void flush(int fd)
{
	struct connection *c = &all[fd];
	char *spare = c->sending;
	size_t spare_room = c->sending_room;

	if (c->total || !c->len)
		return;
	c->sending = c->out;
	c->sending_room = c->room;
	c->total = c->len;
	c->sent = 0;
	c->out = spare;
	c->room = spare_room;
	c->len = 0;
	send_on(fd);
}

static void received(int fd, struct io_uring_cqe *cqe)
{
	struct connection *c = &all[fd];

	if (cqe->res > 0) {
		int id = (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);

		keep(fd, buffers[id], (size_t)cqe->res);
		io_uring_buf_ring_add(pool, buffers[id], BUFFER_SIZE, (unsigned short)id,
				      io_uring_buf_ring_mask(BUFFERS), 0);
		io_uring_buf_ring_advance(pool, 1);
	}
	if (cqe->flags & IORING_CQE_F_MORE)
		return;
	if (cqe->res > 0 || cqe->res == -ENOBUFS) {
		receive(fd);
	} else if (c->total) {
		c->closing = 1;
	} else {
		finish(fd);
	}
}

static void sent(int fd, int result)
{
	struct connection *c = &all[fd];

	if (result < 0 || c->closing) {
		c->total = 0;
		if (c->closing)
			finish(fd);
		return;
	}
	c->sent += (size_t)result;
	if (c->sent < c->total) {
		send_on(fd);
		return;
	}
	c->total = 0;
	if (c->len && !c->queued) {
		c->queued = 1;
		dirty[dirty_count++] = fd;
	}
}

int main(int argc, char **argv)
{
	/* What has come is looked at when we wait, and does not interrupt us before. */
	unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	struct io_uring_params params = { .flags = flags };
	struct io_uring_buf_reg registration = { .ring_entries = BUFFERS, .bgid = GROUP };
	int listener = listen_at(argc > 1 ? atoi(argv[1]) : 0);
	struct io_uring_sqe *sqe;

	if (io_uring_queue_init_params(4096, &ring, &params) < 0)
		die("io_uring");
	if (posix_memalign((void **)&pool, 4096, BUFFERS * sizeof(struct io_uring_buf)))
		die("memory");
	registration.ring_addr = (unsigned long)pool;
	if (io_uring_register_buf_ring(&ring, &registration, 0))
		die("buffers");
	io_uring_buf_ring_init(pool);
	for (unsigned short i = 0; i < BUFFERS; i++)
		io_uring_buf_ring_add(pool, buffers[i], BUFFER_SIZE, i,
				      io_uring_buf_ring_mask(BUFFERS), i);
	io_uring_buf_ring_advance(pool, BUFFERS);
	sqe = entry(ACCEPT, listener);
	io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
	io_uring_sqe_set_data64(sqe, (unsigned long long)ACCEPT << 32 | (unsigned)listener);
	for (;;) {
		struct io_uring_cqe *cqe;
		unsigned head, count = 0;

		io_uring_submit_and_wait(&ring, 1);
		io_uring_for_each_cqe(&ring, head, cqe) {
			int fd = (int)(unsigned)cqe->user_data;

			count++;
			switch (cqe->user_data >> 32) {
			case ACCEPT:
				if (cqe->res >= FDS) {
					close(cqe->res);
				} else if (cqe->res >= 0) {
					no_delay(cqe->res);
					receive(cqe->res);
				}
				break;
			case RECEIVE:
				received(fd, cqe);
				break;
			case SEND:
				sent(fd, cqe->res);
				break;
			}
		}
		io_uring_cq_advance(&ring, count);
		for (int i = 0; i < dirty_count; i++) {
			all[dirty[i]].queued = 0;
			flush(dirty[i]);
		}
		dirty_count = 0;
	}
}
