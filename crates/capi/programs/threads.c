/*
 * Calls from other threads and from signal handlers: what may come from there comes, everything
 * else is refused. Ends with 0 if it is so.
 *
 *     threads PORT storm     signals and threads ask for WRITEABLE while messages go to and fro
 *     threads PORT owners    a context belongs to the thread that services it, and passes on
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <libwebsockets.h>

/* In the header from 1.3 on, in the library for all. */
LWS_EXTERN void libwebsocket_cancel_service(struct libwebsocket_context *context);

#define MESSAGES 3000

static int wrong, client_up, server_up, writeables, echoed;
static int most = 1 << 30; /* echoes after which the client says nothing more */
static volatile int stop, signals;
static struct libwebsocket_context *context;
static struct libwebsocket *server_wsi, *client_wsi;

#define EXPECT(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "WRONG in line %d: %s\n", __LINE__, #what); \
			wrong = 1; \
		} \
	} while (0)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void send_number(struct libwebsocket *wsi, int number)
{
	char text[20];
	int n = sprintf(text, "%d", number);

	EXPECT(libwebsocket_write(wsi, (unsigned char *)text, (size_t)n, LWS_WRITE_TEXT) == n);
}

static int callback_any(struct libwebsocket_context *its_context, struct libwebsocket *wsi,
			enum libwebsocket_callback_reasons reason, void *user, void *in,
			size_t len)
{
	(void)user;
	EXPECT(its_context);
	switch (reason) {
	case LWS_CALLBACK_ESTABLISHED:
		server_wsi = wsi;
		server_up = 1;
		break;
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		client_up = 1;
		send_number(wsi, 0);
		break;
	case LWS_CALLBACK_RECEIVE:
		EXPECT(libwebsocket_write(wsi, (unsigned char *)in, len, LWS_WRITE_TEXT) ==
		       (int)len);
		break;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		EXPECT(atoi((const char *)in) == echoed); /* none is lost, none twice */
		if (++echoed < most)
			send_number(wsi, echoed);
		break;
	case LWS_CALLBACK_SERVER_WRITEABLE:
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		pthread_mutex_lock(&lock);
		writeables++;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
		break;
	default:
		break;
	}
	return 0;
}

static struct libwebsocket_protocols protocols[] = {
	{ "threads", callback_any, 0, 0, NULL, 0 },
	{ NULL, NULL, 0, 0, NULL, 0 },
};

static void connect_to_itself(int port)
{
	struct lws_context_creation_info info;
	int n;

	memset(&info, 0, sizeof(info));
	info.port = port;
	info.iface = "127.0.0.1";
	info.protocols = protocols;
	info.gid = -1;
	info.uid = -1;
	context = libwebsocket_create_context(&info);
	EXPECT(context != NULL);
	client_wsi = libwebsocket_client_connect(context, "127.0.0.1", port, 0, "/", "a", "b",
						 "threads", -1);
	EXPECT(client_wsi != NULL);
	for (n = 0; n < 500 && !(server_up && client_up); n++)
		libwebsocket_service(context, 10);
	EXPECT(server_up && client_up);
}

static void on_signal(int number)
{
	int before = errno;

	(void)number;
	signals++;
	libwebsocket_callback_on_writable_all_protocol(&protocols[0]);
	errno = before;
}

static void *ask_again_and_again(void *unused)
{
	long asked = 0;

	(void)unused;
	while (!stop) {
		EXPECT(libwebsocket_callback_on_writable_all_protocol(&protocols[0]) == 0);
		EXPECT(libwebsocket_callback_on_writable(context, server_wsi) == 1);
		EXPECT(libwebsocket_callback_on_writable(context, client_wsi) == 1);
		if (asked++ % 64 == 0)
			libwebsocket_cancel_service(context);
	}
	return NULL;
}

static void storm(int port)
{
	struct itimerval often = { { 0, 300 }, { 0, 300 } }, never = { { 0, 0 }, { 0, 0 } };
	struct sigaction action;
	pthread_t threads[2];
	int n, last;

	connect_to_itself(port);
	memset(&action, 0, sizeof(action));
	action.sa_handler = on_signal; /* without SA_RESTART: poll is interrupted */
	sigaction(SIGALRM, &action, NULL);
	for (n = 0; n < 2; n++)
		pthread_create(&threads[n], NULL, ask_again_and_again, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	/* a signal that comes in poll ends the call with -1; the program goes on */
	while (echoed < MESSAGES || signals < 200)
		libwebsocket_service(context, 50);
	stop = 1;
	for (n = 0; n < 2; n++)
		pthread_join(threads[n], NULL);
	setitimer(ITIMER_REAL, &never, NULL);
	EXPECT(writeables > 100);
	/* a signal alone: what it asks for comes, to both ends, though nothing else happens */
	most = 0;
	last = echoed;
	while (echoed == last)
		libwebsocket_service(context, 1000); /* the one that is under way */
	for (n = 0; n < 20; n++)
		libwebsocket_service(context, 1);
	last = writeables;
	raise(SIGALRM);
	for (n = 0; n < 500 && writeables < last + 2; n++)
		libwebsocket_service(context, 600000);
	EXPECT(writeables >= last + 2);
	libwebsocket_context_destroy(context);
	/* also when the context is no more */
	raise(SIGALRM);
	printf("%s signals, %s messages\n", signals > 200 ? "many" : "few",
	       echoed >= MESSAGES ? "all" : "few");
}

static int owned;
static volatile int released;

static void *own(void *unused)
{
	(void)unused;
	EXPECT(libwebsocket_service(context, 0) == 0);
	pthread_mutex_lock(&lock);
	owned = 1;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	/* until it is cancelled: with nothing to do, far longer than the test may take */
	while (!released)
		EXPECT(libwebsocket_service(context, 600000) == 0);
	return NULL;
}

/* What another thread gets while the owner services the context. */
static void expect_refusals(int port)
{
	unsigned char buffer[4] = "abc";
	struct pollfd none = { -1, POLLIN, POLLIN };
	char text[10];

	EXPECT(libwebsocket_service(context, 0) == -1);
	EXPECT(libwebsocket_service_fd(context, &none) == -1);
	EXPECT(libwebsocket_service_fd(context, NULL) == -1);
	EXPECT(libwebsocket_write(client_wsi, buffer, 3, LWS_WRITE_TEXT) == -1);
	EXPECT(libwebsocket_read(context, client_wsi, buffer, 3) == -1);
	EXPECT(libwebsocket_client_connect(context, "127.0.0.1", port, 0, "/", "a", "b", "threads",
					   -1) == NULL);
	EXPECT(lws_send_pipe_choked(client_wsi) == 1);
	EXPECT(libwebsockets_get_protocol(client_wsi) == NULL);
	EXPECT(libwebsocket_get_socket_fd(client_wsi) == -1);
	EXPECT(libwebsocket_rx_flow_control(client_wsi, 0) == 0);
	EXPECT(libwebsockets_serve_http_file(context, client_wsi, "/", "a/b") == -1);
	EXPECT(libwebsockets_serve_http_file_fragment(context, client_wsi) == 1);
	EXPECT(lws_hdr_copy(client_wsi, text, sizeof(text), WSI_TOKEN_HOST) == 0);
	EXPECT(libwebsocket_canonical_hostname(context) == NULL);
	libwebsocket_context_destroy(context);
	/* and what it may */
	EXPECT(libwebsocket_callback_on_writable(context, server_wsi) == 1);
	EXPECT(libwebsocket_callback_on_writable_all_protocol(&protocols[0]) == 0);
}

static void *begin(void *port)
{
	connect_to_itself(*(int *)port);
	return NULL;
}

static void owners(int port)
{
	pthread_t thread;
	int before;

	most = 5;
	/* who has serviced it first ends, and it passes on to who services it next */
	pthread_create(&thread, NULL, begin, &port);
	pthread_join(thread, NULL);
	/* in between anybody may call */
	EXPECT(libwebsocket_get_socket_fd(client_wsi) >= 0);
	pthread_create(&thread, NULL, own, NULL);
	pthread_mutex_lock(&lock);
	while (!owned)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	before = writeables;
	expect_refusals(port);
	/* the owner, which waits for nothing else, is woken */
	pthread_mutex_lock(&lock);
	while (writeables < before + 2)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	released = 1;
	libwebsocket_cancel_service(context); /* what it waits for does not come otherwise */
	pthread_join(thread, NULL);
	/* the last owner is gone: it is this thread's now, and none the worse */
	EXPECT(libwebsocket_service(context, 0) == 0);
	while (echoed < most)
		EXPECT(libwebsocket_service(context, 1000) == 0);
	before = echoed;
	most = 1 << 30;
	send_number(client_wsi, echoed);
	while (echoed < before + 10)
		EXPECT(libwebsocket_service(context, 1000) == 0);
	libwebsocket_context_destroy(context);
	EXPECT(libwebsocket_service(context, 0) == -1);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	if (!strcmp(argv[2], "storm"))
		storm(atoi(argv[1]));
	else
		owners(atoi(argv[1]));
	puts(wrong ? "wrong" : "as it should be");
	return wrong;
}
