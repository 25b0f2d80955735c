/*
 * Shows what is different from level to level: prints every callback by number and name, as server
 * or as client, in a loop of its own or, for a server that is told so, the library's:
 *
 *     levels server PORT [built-in]
 *     levels client PORT [HOST [PROXY]]
 *     levels hostile PORT     (1.4: handles and pointers that are none, to what came after the manual)
 *
 * With -DOTHER_LEVEL a server has a client of another level in its process, which is linked in.
 *
 * What a server receives is a command, see on_receive; what it is asked for by HTTP too, see
 * on_http. Ends by SIGINT, and as a client when its connection has ended.
 */

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libwebsockets.h>

#define MOST 64

#define NAME(reason) { LWS_CALLBACK_##reason, #reason }

static const struct {
	int number;
	const char *name;
} names[] = {
	NAME(ESTABLISHED), NAME(CLIENT_CONNECTION_ERROR), NAME(CLIENT_FILTER_PRE_ESTABLISH),
	NAME(CLIENT_ESTABLISHED), NAME(CLOSED), NAME(RECEIVE), NAME(CLIENT_RECEIVE),
	NAME(CLIENT_RECEIVE_PONG), NAME(CLIENT_WRITEABLE), NAME(SERVER_WRITEABLE), NAME(HTTP),
	NAME(HTTP_FILE_COMPLETION), NAME(HTTP_WRITEABLE), NAME(FILTER_NETWORK_CONNECTION),
	NAME(FILTER_PROTOCOL_CONNECTION), NAME(OPENSSL_LOAD_EXTRA_CLIENT_VERIFY_CERTS),
	NAME(CLIENT_APPEND_HANDSHAKE_HEADER),
	NAME(CONFIRM_EXTENSION_OKAY), NAME(CLIENT_CONFIRM_EXTENSION_SUPPORTED),
	NAME(PROTOCOL_INIT), NAME(PROTOCOL_DESTROY), NAME(ADD_POLL_FD), NAME(DEL_POLL_FD),
#if SOCKEYE_LWS_LEVEL >= 123
	NAME(CLOSED_HTTP),
#endif
#if SOCKEYE_LWS_LEVEL >= 130
	NAME(HTTP_BODY), NAME(HTTP_BODY_COMPLETION), NAME(FILTER_HTTP_CONNECTION),
	NAME(SERVER_NEW_CLIENT_INSTANTIATED), NAME(WSI_CREATE), NAME(WSI_DESTROY),
	NAME(GET_THREAD_ID), NAME(CHANGE_MODE_POLL_FD), NAME(LOCK_POLL), NAME(UNLOCK_POLL),
	{ LWS_CALLBACK_USER + 1, "USER + 1" },
#else
	NAME(SET_MODE_POLL_FD), NAME(CLEAR_MODE_POLL_FD),
#endif
};

struct session {
	char zeroes[8];
};

static volatile sig_atomic_t stopped;
static struct pollfd polls[MOST];
static int count;
#if SOCKEYE_LWS_LEVEL >= 130
static int locks;
static int asked_for_thread; /* how often */
static pthread_t servicing;
#endif
static int is_client;
static const char *file;

static const char *name_of(int reason)
{
	size_t n;

	for (n = 0; n < sizeof(names) / sizeof(names[0]); n++)
		if (names[n].number == reason)
			return names[n].name;
	return "WRONG";
}

/* Descriptors */

static struct pollfd *poll_of(int fd)
{
	int n;

	for (n = 0; n < count; n++)
		if (polls[n].fd == fd)
			return &polls[n];
	if (count == MOST)
		abort();
	polls[count].fd = fd;
	polls[count].events = 0;
	return &polls[count++];
}

/* Keeps the descriptors to be polled; whether the callback was about them. */
static int is_about_polls(enum libwebsocket_callback_reasons reason, void *in, size_t len)
{
#if SOCKEYE_LWS_LEVEL < 130
	struct pollfd *found;
	int fd = (int)(long)in;

	if (reason < LWS_CALLBACK_ADD_POLL_FD)
		return 0;
	found = poll_of(fd);
	if (reason == LWS_CALLBACK_DEL_POLL_FD)
		*found = polls[--count];
	else if (reason == LWS_CALLBACK_CLEAR_MODE_POLL_FD)
		found->events &= (short)~len;
	else
		found->events |= (short)len;
#else
	const struct libwebsocket_pollargs *args = (const struct libwebsocket_pollargs *)in;
	struct pollfd *found;

	(void)len;
	if (reason < LWS_CALLBACK_ADD_POLL_FD || reason > LWS_CALLBACK_UNLOCK_POLL)
		return 0;
	if (reason == LWS_CALLBACK_LOCK_POLL)
		locks++;
	if (reason == LWS_CALLBACK_UNLOCK_POLL)
		locks--;
	if (reason > LWS_CALLBACK_CHANGE_MODE_POLL_FD)
		return 1;
	if (locks != 1)
		printf("WRONG: %s without the lock\n", name_of(reason));
	found = poll_of(args->fd);
	if (found->events != args->prev_events)
		printf("WRONG: events were %d, not %d\n", found->events, args->prev_events);
	if (reason == LWS_CALLBACK_DEL_POLL_FD)
		*found = polls[--count];
	else
		found->events = (short)args->events;
#endif
	return 1;
}

/* WebSockets */

#if SOCKEYE_LWS_LEVEL >= 130
static void *from_another_thread(void *context)
{
	libwebsocket_cancel_service((struct libwebsocket_context *)context);
	return NULL;
}

static struct {
	struct libwebsocket_context *context;
	struct libwebsocket *wsi;
} asking;

static void *ask_from_another_thread(void *unused)
{
	(void)unused;
	if (libwebsocket_callback_on_writable(asking.context, asking.wsi) != 1)
		printf("WRONG: another thread may not ask for WRITEABLE\n");
	return NULL;
}

static void in_another_thread(void *(*what)(void *), void *argument)
{
	pthread_t thread;

	pthread_create(&thread, NULL, what, argument);
	pthread_join(thread, NULL);
}

/* Whatever is answered: it is not needed, and changes nothing. */
static int on_get_thread_id(int protocol, struct libwebsocket *wsi, void *user, void *in, size_t len)
{
	if (protocol || wsi || user || in || len || !pthread_equal(pthread_self(), servicing))
		printf("WRONG: GET_THREAD_ID p%d %p %p %p %d\n", protocol, (void *)wsi, user, in,
		       (int)len);
	return ++asked_for_thread;
}
#endif

static int say(struct libwebsocket *wsi, const char *text)
{
	int len = (int)strlen(text);

	return libwebsocket_write(wsi, (unsigned char *)text, (size_t)len, LWS_WRITE_TEXT) == len
		       ? 0
		       : -1;
}

static int on_receive(struct libwebsocket_context *context, struct libwebsocket *wsi,
		      const char *in)
{
	(void)context;
	if (!strcmp(in, "version"))
		return say(wsi, lws_get_library_version());
#if SOCKEYE_LWS_LEVEL >= 123
	if (!strcmp(in, "end by timeout"))
		libwebsocket_set_timeout(wsi, PENDING_TIMEOUT_AWAITING_PING, 0);
	if (!strcmp(in, "no timeout")) {
		libwebsocket_set_timeout(wsi, PENDING_TIMEOUT_AWAITING_PING, 0);
		libwebsocket_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
	}
	if (!strcmp(in, "stop"))
		libwebsocket_rx_flow_control(wsi, 0);
	if (!strcmp(in, "go all"))
		libwebsocket_rx_flow_allow_all_protocol(libwebsockets_get_protocol(wsi));
#endif
#if SOCKEYE_LWS_LEVEL >= 130
	if (!strcmp(in, "call all"))
		libwebsocket_callback_all_protocol(libwebsockets_get_protocol(wsi),
						   LWS_CALLBACK_USER + 1);
	if (!strcmp(in, "cancel"))
		in_another_thread(from_another_thread, context);
	if (!strcmp(in, "ask elsewhere")) {
		asking.context = context;
		asking.wsi = wsi;
		in_another_thread(ask_from_another_thread, NULL);
	}
#endif
	return say(wsi, in);
}

/* HTTP */

static int serve_file(struct libwebsocket_context *context, struct libwebsocket *wsi)
{
#if SOCKEYE_LWS_LEVEL < 130
	return libwebsockets_serve_http_file(context, wsi, file, "text/plain");
#elif SOCKEYE_LWS_LEVEL < 140
	return libwebsockets_serve_http_file(context, wsi, file, "text/plain", "X-Other: a\r\n");
#else
	return libwebsockets_serve_http_file(context, wsi, file, "text/plain",
					     "X-Other: a\r\nleft out", 12);
#endif
}

#if SOCKEYE_LWS_LEVEL >= 140
static int serve_made_head(struct libwebsocket_context *context, struct libwebsocket *wsi)
{
	unsigned char head[300], *p = head, *end = head + sizeof(head);
	const char *name = (const char *)lws_token_to_string(WSI_TOKEN_HTTP_CONTENT_TYPE);
	int n;

	if (lws_add_http_header_status(context, wsi, 200, &p, end) ||
	    lws_add_http_header_by_token(context, wsi, WSI_TOKEN_HTTP_CONTENT_TYPE,
					 (unsigned char *)name, (int)strlen(name), &p, end) ||
	    lws_add_http_header_by_name(context, wsi, (unsigned char *)"x-made",
					(unsigned char *)"yes", 3, &p, end) ||
	    lws_add_http_header_content_length(context, wsi, 4, &p, end) ||
	    lws_finalize_http_header(context, wsi, &p, end))
		return -1;
	n = (int)(p - head);
	if (libwebsocket_write(wsi, head, (size_t)n, LWS_WRITE_HTTP_HEADERS) != n ||
	    libwebsocket_write(wsi, (unsigned char *)"made", 4, LWS_WRITE_HTTP_FINAL) != 4)
		return -1;
	printf("  partial %d, tls %d, allowance %d, room %d\n", lws_partial_buffered(wsi),
	       lws_is_ssl(wsi), lws_get_peer_write_allowance(wsi) == (size_t)-1,
	       lws_finalize_http_header(context, wsi, &p, p + 1));
	return lws_http_transaction_completed(wsi) ? -1 : 0;
}
#endif

#if SOCKEYE_LWS_LEVEL >= 130
static int keeps; /* after the body of the present request the connection goes on */
#endif

static void print_token(struct libwebsocket *wsi, const char *name, enum lws_token_indexes token)
{
	char text[100];

	if (lws_hdr_total_length(wsi, token) && lws_hdr_copy(wsi, text, sizeof(text), token) > 0)
		printf("  %s \"%s\"\n", name, text);
}

static void print_tokens(struct libwebsocket *wsi)
{
	print_token(wsi, "GET_URI", WSI_TOKEN_GET_URI);
	print_token(wsi, "HOST", WSI_TOKEN_HOST);
#if SOCKEYE_LWS_LEVEL >= 130
	print_token(wsi, "POST_URI", WSI_TOKEN_POST_URI);
	print_token(wsi, "OPTIONS_URI", WSI_TOKEN_OPTIONS_URI);
	print_token(wsi, "HTTP_URI_ARGS", WSI_TOKEN_HTTP_URI_ARGS);
	print_token(wsi, "HTTP_COOKIE", WSI_TOKEN_HTTP_COOKIE);
#endif
#if SOCKEYE_LWS_LEVEL >= 140
	print_token(wsi, "HTTP_USER_AGENT", WSI_TOKEN_HTTP_USER_AGENT);
	print_token(wsi, "PUT_URI", WSI_TOKEN_PUT_URI);
	print_token(wsi, "PATCH_URI", WSI_TOKEN_PATCH_URI);
	print_token(wsi, "DELETE_URI", WSI_TOKEN_DELETE_URI);
#endif
}

static int on_http(struct libwebsocket_context *context, struct libwebsocket *wsi, const char *uri)
{
	printf("  uri \"%s\"\n", uri);
	print_tokens(wsi);
#if SOCKEYE_LWS_LEVEL >= 130
	if (!strcmp(uri, "/gone")) {
		libwebsockets_return_http_status(context, wsi, HTTP_STATUS_GONE, "<p>long ago");
		return -1;
	}
	keeps = !strcmp(uri, "/kept");
	if (keeps || !strcmp(uri, "/post"))
		return 0;
#endif
#if SOCKEYE_LWS_LEVEL >= 140
	if (!strcmp(uri, "/made"))
		return serve_made_head(context, wsi);
#endif
	if (!strncmp(uri, "/file", 5)) {
		int result = serve_file(context, wsi);

		printf("  served: %d\n", result);
		return result;
	}
	return -1;
}

static int record(int protocol, struct libwebsocket_context *context, struct libwebsocket *wsi,
		  enum libwebsocket_callback_reasons reason, void *user, void *in, size_t len)
{
	if (is_about_polls(reason, in, len))
		return 0;
#if SOCKEYE_LWS_LEVEL >= 130
	if (reason == LWS_CALLBACK_GET_THREAD_ID)
		return on_get_thread_id(protocol, wsi, user, in, len);
#endif
	printf("%d p%d %d %s\n", SOCKEYE_LWS_LEVEL, protocol, reason, name_of(reason));
	switch (reason) {
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		printf("  user %s in \"%s\" len %d\n",
		       !user                          ? "null"
		       : ((struct session *)user)->zeroes[0] ? "text"
							     : "zeroed",
		       (char *)in, (int)len);
		break;
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		return say(wsi, "hello");
	case LWS_CALLBACK_RECEIVE:
		return on_receive(context, wsi, (const char *)in);
	case LWS_CALLBACK_CLIENT_RECEIVE:
		printf("  \"%s\"\n", (char *)in);
		break;
	case LWS_CALLBACK_CLOSED:
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		stopped |= is_client;
		break;
	case LWS_CALLBACK_HTTP:
		return on_http(context, wsi, (const char *)in);
#if SOCKEYE_LWS_LEVEL >= 130
	case LWS_CALLBACK_HTTP_BODY:
		printf("  \"%s\"\n", (char *)in);
		break;
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
#if SOCKEYE_LWS_LEVEL >= 140
		if (keeps)
			return serve_made_head(context, wsi);
#endif
		libwebsockets_return_http_status(context, wsi, HTTP_STATUS_OK, NULL);
		return -1;
#endif
	default:
		break;
	}
	return 0;
}

static int callback_0(struct libwebsocket_context *context, struct libwebsocket *wsi,
		      enum libwebsocket_callback_reasons reason, void *user, void *in, size_t len)
{
	return record(0, context, wsi, reason, user, in, len);
}

static int callback_1(struct libwebsocket_context *context, struct libwebsocket *wsi,
		      enum libwebsocket_callback_reasons reason, void *user, void *in, size_t len)
{
	return record(1, context, wsi, reason, user, in, len);
}

#if SOCKEYE_LWS_LEVEL >= 140
static struct libwebsocket_protocols protocols[] = {
	{ "http-only", callback_0, 0, 0, 7, NULL, NULL, 0 },
	{ "levels", callback_1, sizeof(struct session), 0, 8, &count, NULL, 0 },
	{ NULL, NULL, 0, 0, 0, NULL, NULL, 0 },
};
#elif SOCKEYE_LWS_LEVEL >= 123
static struct libwebsocket_protocols protocols[] = {
	{ "http-only", callback_0, 0, 0, 0, NULL, 0 },
	{ "levels", callback_1, sizeof(struct session), 0, 1, NULL, 0 },
	{ NULL, NULL, 0, 0, 0, NULL, 0 },
};
#else
static struct libwebsocket_protocols protocols[] = {
	{ "http-only", callback_0, 0, 0, NULL, 0 },
	{ "levels", callback_1, sizeof(struct session), 0, NULL, 0 },
	{ NULL, NULL, 0, 0, NULL, 0 },
};
#endif

static struct libwebsocket_context *create(int port)
{
	struct lws_context_creation_info info;
	struct libwebsocket_context *context;

#if SOCKEYE_LWS_LEVEL >= 130
	servicing = pthread_self();
#endif
	memset(&info, 0, sizeof(info));
	info.port = port;
	info.iface = port == CONTEXT_PORT_NO_LISTEN ? NULL : "127.0.0.1";
	info.protocols = protocols;
	info.gid = -1;
	info.uid = -1;
	info.user = &count;
#if SOCKEYE_LWS_LEVEL >= 130
	{
		static struct lws_token_limits limits;

		limits.token_limit[WSI_TOKEN_HOST] = 20;
		info.token_limits = &limits;
	}
#endif
	context = libwebsocket_create_context(&info);
	if (context && (protocols[1].owning_server != context || protocols[1].protocol_index != 1))
		printf("WRONG: the protocol array was not filled in\n");
	if (context && libwebsocket_context_user(context) != &count)
		printf("WRONG: the user of the context\n");
#if SOCKEYE_LWS_LEVEL >= 140
	if (protocols[1].id != 8 || protocols[1].user != &count)
		printf("WRONG: id and user of a protocol are the program's\n");
#endif
	return context;
}

/* What a context of another level does in the same process. */
#if defined(OTHER_LEVEL) || defined(BE_OTHER_LEVEL)
struct libwebsocket_context *other_connect(int port);
int other_turn(struct libwebsocket_context *context);
void other_end(struct libwebsocket_context *context);
#endif

#ifdef BE_OTHER_LEVEL
struct libwebsocket_context *other_connect(int port)
{
	struct libwebsocket_context *context = create(CONTEXT_PORT_NO_LISTEN);

	if (context)
		libwebsocket_client_connect(context, "127.0.0.1", port, 0, "/", "host", "origin",
					    "levels", -1);
	return context;
}

int other_turn(struct libwebsocket_context *context)
{
	return libwebsocket_service(context, 1);
}

void other_end(struct libwebsocket_context *context)
{
	libwebsocket_context_destroy(context);
}
#else

static int is_built_in;

static int turn_built_in(struct libwebsocket_context *context)
{
	int result;
#if SOCKEYE_LWS_LEVEL >= 130
	int before = asked_for_thread;
#endif

	result = libwebsocket_service(context, 1000);
#if SOCKEYE_LWS_LEVEL >= 130
	if (asked_for_thread != before + 1)
		printf("WRONG: asked for the thread %d times\n", asked_for_thread - before);
#endif
	return result;
}

static int turn(struct libwebsocket_context *context)
{
	struct pollfd one;
	int n, was;

	if (is_built_in)
		return turn_built_in(context);
	if (poll(polls, (nfds_t)count, 1000) < 0)
		return -1;
	for (n = 0; n < count; n++) {
		one = polls[n];
		was = one.revents;
		if (was && libwebsocket_service_fd(context, &one) < 0)
			return -1;
		if (was && (one.revents == 0) != (SOCKEYE_LWS_LEVEL >= 123))
			printf("WRONG: revents is %d\n", one.revents);
	}
	one.fd = 0;
	one.revents = POLLIN;
	if (libwebsocket_service_fd(context, &one) || one.revents != POLLIN)
		printf("WRONG: a descriptor that is not the context's\n");
	return 0;
}

#if SOCKEYE_LWS_LEVEL >= 140
#define EXPECT(what) \
	do { \
		if (!(what)) \
			printf("WRONG in line %d: %s\n", __LINE__, #what); \
	} while (0)

static void log_list(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	_lws_logv(LLL_ERR, format, arguments);
	_lws_logv(LLL_ERR, NULL, arguments);
	va_end(arguments);
}

static void abuse(struct libwebsocket_context *context, struct libwebsocket *wsi)
{
	EXPECT(libwebsockets_return_http_status(context, wsi, 404, NULL) == -1);
	EXPECT(libwebsockets_serve_http_file(context, wsi, file, "a/b", NULL, 0) == -1);
	EXPECT(libwebsockets_serve_http_file(context, wsi, file, "a/b", "x", -5) == -1);
	EXPECT(lws_http_transaction_completed(wsi) == 1);
	EXPECT(lws_get_peer_write_allowance(wsi) == 0);
	EXPECT(lws_partial_buffered(wsi) == 0);
	EXPECT(lws_is_ssl(wsi) == 0);
	libwebsocket_set_timeout(wsi, PENDING_TIMEOUT_AWAITING_PING, -5);
	libwebsocket_cancel_service(context);
}

static void abuse_all(struct libwebsocket_context *context)
{
	unsigned char head[20], *p = head, *end = head + sizeof(head), *null = NULL;
	size_t n;

	for (n = 0; n < 1000; n++)
		abuse((struct libwebsocket_context *)(n * 0x9e3779b9UL),
		      (struct libwebsocket *)(n * 0x9e3779b9UL));
	abuse(context, NULL);
	abuse(context, (struct libwebsocket *)context);
	EXPECT(libwebsocket_set_proxy(NULL, "a:1") == -1);
	EXPECT(libwebsocket_set_proxy(context, NULL) == -1);
	EXPECT(libwebsocket_set_proxy(context, "a") == -1);
	EXPECT(libwebsocket_set_proxy(context, "a:0") == 0);
	libwebsocket_rx_flow_allow_all_protocol(NULL);
	libwebsocket_rx_flow_allow_all_protocol((struct libwebsocket_protocols *)head);
	EXPECT(libwebsocket_callback_all_protocol(NULL, 0) == 0);
	EXPECT(libwebsocket_callback_all_protocol(protocols, -1) == 0);
	EXPECT(lws_token_to_string((enum lws_token_indexes)-1) == NULL);
	EXPECT(lws_token_to_string(WSI_TOKEN_COUNT) == NULL);
	EXPECT(!strcmp((const char *)lws_token_to_string(WSI_TOKEN_HOST), "host:"));
	EXPECT(lws_add_http_header_status(NULL, NULL, 200, NULL, end) == 1);
	EXPECT(lws_add_http_header_status(NULL, NULL, 200, &null, NULL) == 1);
	EXPECT(lws_add_http_header_status(NULL, NULL, 200, &end, head) == 1);
	EXPECT(lws_add_http_header_status(NULL, NULL, 200, &p, end) == 1 && p == head);
	EXPECT(lws_add_http_header_by_name(NULL, NULL, NULL, head, 1, &p, end) == 1);
	EXPECT(lws_add_http_header_by_name(NULL, NULL, head, NULL, 1, &p, end) == 1);
	EXPECT(lws_add_http_header_by_name(NULL, NULL, (unsigned char *)"a",
					   (unsigned char *)"b\r\nc", 4, &p, end) == 1);
	EXPECT(lws_add_http_header_by_name(NULL, NULL, (unsigned char *)"a",
					   (unsigned char *)"b", -1, &p, end) == 1);
	EXPECT(lws_add_http_header_by_token(NULL, NULL, WSI_TOKEN_COUNT, head, 1, &p, end) == 1);
	EXPECT(lws_add_http_header_content_length(NULL, NULL, 1, &p, end) == 0 && p == head + 19);
	EXPECT(lws_finalize_http_header(NULL, NULL, &p, end) == 1 && p == head + 19);
	lws_set_allocator(NULL);
	log_list("%s and %d and %.1f\n", "text", 7, 1.5);
}
#endif

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

int main(int argc, char **argv)
{
	int port = argc > 2 ? atoi(argv[2]) : 7681;
	struct libwebsocket_context *context;
#ifdef OTHER_LEVEL
	struct libwebsocket_context *other;
#endif

	setvbuf(stdout, NULL, _IOLBF, 0);
	file = argv[0];
	is_client = argc > 1 && !strcmp(argv[1], "client");
	is_built_in = !is_client && argc > 3 && !strcmp(argv[3], "built-in");
	signal(SIGINT, on_signal);
	context = create(is_client ? CONTEXT_PORT_NO_LISTEN : port);
	if (!context)
		return 1;
#if SOCKEYE_LWS_LEVEL >= 140
	if (argc > 1 && !strcmp(argv[1], "hostile")) {
		abuse_all(context);
		stopped = 1;
	}
#endif
#if SOCKEYE_LWS_LEVEL >= 123
	if (argc > 4 && libwebsocket_set_proxy(context, argv[4]))
		return 3;
#endif
	if (is_client && !libwebsocket_client_connect(context, argc > 3 ? argv[3] : "127.0.0.1",
						      port, 0, "/path", "host", "origin", "levels",
						      -1)) {
		libwebsocket_context_destroy(context);
		return 2;
	}
	if (is_client)
		printf("connect has returned\n");
#ifdef OTHER_LEVEL
	other = other_connect(port);
	while (!stopped && libwebsocket_service(context, 1) >= 0 && other_turn(other) >= 0)
		;
	other_end(other);
#endif
	while (!stopped && turn(context) >= 0)
		;
#if SOCKEYE_LWS_LEVEL >= 130 && !defined(OTHER_LEVEL)
	if (!is_built_in && asked_for_thread)
		printf("WRONG: a loop of the program's own is asked for its thread\n");
#endif
	libwebsocket_context_destroy(context);
	printf("polls left: %d\n", count);
	return 0;
}
#endif
