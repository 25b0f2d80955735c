/*
 * Does what must not be done inside every callback: for each reason and each deed, the life of a
 * server and its clients, plain and under TLS, in one process. Ends with 0 if the library has
 * survived it all, and says which reasons it has seen.
 *
 *     hostile-callbacks PORT CA CERT KEY [every]
 *
 * With a number for `every`, only each so many-th deed is done.
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libwebsockets.h>

#if SOCKEYE_LWS_LEVEL < 130
#define REASONS (LWS_CALLBACK_CLEAR_MODE_POLL_FD + 1)
#define serve_file libwebsockets_serve_http_file
#elif SOCKEYE_LWS_LEVEL < 140
#define REASONS (LWS_CALLBACK_UNLOCK_POLL + 1)
#define serve_file(...) libwebsockets_serve_http_file(__VA_ARGS__, NULL)
#else
#define REASONS (LWS_CALLBACK_UNLOCK_POLL + 1) /* what 1.4 has after it never comes */
#define serve_file(...) libwebsockets_serve_http_file(__VA_ARGS__, NULL, 0)
#endif

enum deed {
	RETURN_MINUS_1,
	RETURN_1,
	DESTROY,
	DESTROY_TWICE_AND_CLOSE,
	DESTROY_THE_OTHER,
	MISUSE_EVERYTHING,
	REENTER,
	CONNECT,
	WRITE_EVERYTHING,
	STOP_READING,
	FEED,
	MAKE_ANOTHER,
	DEEDS
};

static int port, wrong, acting, acts, progress;
static unsigned int seen[REASONS];
static int now_reason, now_deed;
static const char *ca, *cert, *key;
static struct libwebsocket_context *server, *client, *destroyed;

#define EXPECT(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "WRONG in line %d, reason %d, deed %d: %s\n", __LINE__, \
				now_reason, now_deed, #what); \
			wrong = 1; \
		} \
	} while (0)

static struct libwebsocket_context *create(int listens, int tls);

/* What releases after the manual added. */
static void misuse_what_is_new(struct libwebsocket_context *context, struct libwebsocket *wsi)
{
#if SOCKEYE_LWS_LEVEL >= 123
	EXPECT(libwebsocket_set_proxy(context, NULL) == -1);
	EXPECT(libwebsocket_set_proxy(context, "\xff:1") == -1);
	libwebsocket_set_timeout(wsi, PENDING_TIMEOUT_AWAITING_PING, 0);
	libwebsocket_set_timeout(wsi, (enum pending_timeout)100, -1);
	libwebsocket_set_timeout(wsi, NO_PENDING_TIMEOUT, 0x7fffffff);
	libwebsocket_rx_flow_allow_all_protocol(libwebsockets_get_protocol(wsi));
#endif
#if SOCKEYE_LWS_LEVEL >= 130
	EXPECT(libwebsockets_return_http_status(context, NULL, 404, NULL) == -1);
	libwebsockets_return_http_status(context, wsi, 0xffffffff, NULL);
	libwebsocket_callback_all_protocol(libwebsockets_get_protocol(wsi), LWS_CALLBACK_USER);
	libwebsocket_callback_all_protocol(libwebsockets_get_protocol(wsi), -1);
	libwebsocket_cancel_service(context);
#endif
#if SOCKEYE_LWS_LEVEL >= 140
	lws_http_transaction_completed(wsi);
	lws_partial_buffered(wsi);
	lws_get_peer_write_allowance(wsi);
	lws_is_ssl(wsi);
#endif
	(void)context;
	(void)wsi;
}

/* Every function with a handle that may be good and data that is not. */
static void misuse(struct libwebsocket_context *context, struct libwebsocket *wsi)
{
	static char path[10000];
	struct pollfd odd = { 1 << 30, -1, -1 };
	int n;

	memset(path, 'x', sizeof(path) - 1);
	for (n = 0; n < 16; n++) {
		EXPECT(libwebsocket_write(wsi, NULL, 5, (enum libwebsocket_write_protocol)n) == -1);
		EXPECT(libwebsocket_write(wsi, (unsigned char *)path, (size_t)-1,
					  (enum libwebsocket_write_protocol)n) == -1);
		EXPECT(libwebsocket_write(wsi, (unsigned char *)path, (size_t)1 << 31,
					  (enum libwebsocket_write_protocol)n) == -1);
	}
	for (n = -2; n < 100; n++) {
		lws_hdr_total_length(wsi, (enum lws_token_indexes)n);
		EXPECT(lws_hdr_copy(wsi, NULL, 10, (enum lws_token_indexes)n) <= 0);
		EXPECT(lws_hdr_copy(wsi, path, -1, (enum lws_token_indexes)n) <= 0);
	}
	EXPECT(serve_file(context, wsi, NULL, NULL) == -1);
	EXPECT(serve_file(context, wsi, path, path) != 0);
	EXPECT(libwebsockets_serve_http_file_fragment(context, NULL) == 1);
	EXPECT(libwebsocket_callback_on_writable(NULL, wsi) == -1);
	EXPECT(libwebsocket_callback_on_writable(context, NULL) == -1);
	EXPECT(libwebsocket_callback_on_writable(context, (struct libwebsocket *)context) == -1);
	EXPECT(libwebsocket_read(context, wsi, NULL, 5) == -1);
	EXPECT(libwebsocket_client_connect(context, NULL, port, 0, "/", "a", "a", NULL, -1) ==
	       NULL);
	EXPECT(libwebsocket_client_connect(context, path, port, 0, path, path, path, path, -1) ==
	       NULL);
	libwebsocket_service_fd(context, &odd);
	libwebsocket_rx_flow_control(wsi, 0);
	libwebsocket_rx_flow_control(wsi, -5);
	libwebsockets_get_protocol(wsi);
	lws_send_pipe_choked(wsi);
	libwebsocket_get_socket_fd(wsi);
	misuse_what_is_new(context, wsi);
}

static void write_everything(struct libwebsocket_context *context, struct libwebsocket *wsi)
{
	static unsigned char buffer[70000];
	int n;

	for (n = 0; n < 256; n++) {
		libwebsocket_write(wsi, buffer, 0, (enum libwebsocket_write_protocol)n);
		libwebsocket_write(wsi, buffer, 100, (enum libwebsocket_write_protocol)n);
	}
	for (n = 0; n < 30; n++)
		libwebsocket_write(wsi, buffer, sizeof(buffer), LWS_WRITE_BINARY);
	libwebsocket_callback_on_writable(context, wsi);
}

static int act(struct libwebsocket_context *context, struct libwebsocket *wsi)
{
	struct libwebsocket_context *other = context == server ? client : server;

	switch ((enum deed)now_deed) {
	case RETURN_MINUS_1:
		return -1;
	case RETURN_1:
		return 1;
	case DESTROY:
		destroyed = context;
		libwebsocket_context_destroy(context);
		EXPECT(libwebsocket_write(wsi, (unsigned char *)"x", 1, LWS_WRITE_TEXT) == -1);
		EXPECT(libwebsocket_service(context, 0) == -1);
		return 0;
	case DESTROY_TWICE_AND_CLOSE:
		destroyed = context;
		libwebsocket_context_destroy(context);
		libwebsocket_context_destroy(context);
		misuse(context, wsi);
		return -1;
	case DESTROY_THE_OTHER:
		libwebsocket_context_destroy(other);
		libwebsocket_context_destroy(other);
		return 0;
	case MISUSE_EVERYTHING:
		misuse(context, wsi);
		return 0;
	case REENTER:
		libwebsocket_service(context, 0);
		libwebsocket_service(other, 0);
		libwebsocket_service_fd(context, NULL);
		return 0;
	case CONNECT:
		libwebsocket_client_connect(context, "127.0.0.1", port, 0, "/", "a", "b", "hostile",
					    -1);
		return 0;
	case WRITE_EVERYTHING:
		write_everything(context, wsi);
		return 0;
	case STOP_READING:
		libwebsocket_rx_flow_control(wsi, 0);
		return 0;
	case FEED:
		libwebsocket_read(context, wsi, (unsigned char *)"\x81\x01x\x88\x00\xff", 6);
		return 0;
	case MAKE_ANOTHER:
		other = create(0, 0);
		libwebsocket_service(other, 0);
		libwebsocket_context_destroy(other);
		return 0;
	case DEEDS:
		break;
	}
	return 0;
}

/* What a program that behaves does, so that every reason comes. */
static int behave(struct libwebsocket_context *context, struct libwebsocket *wsi,
		  enum libwebsocket_callback_reasons reason, void *in)
{
	switch (reason) {
	case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_CLIENT_VERIFY_CERTS:
	case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
		*(const char **)in = ca;
		break;
	case LWS_CALLBACK_ESTABLISHED:
		libwebsocket_write(wsi, (unsigned char *)"hello", 5, LWS_WRITE_TEXT);
		libwebsocket_write(wsi, (unsigned char *)"p", 1, LWS_WRITE_PONG);
		libwebsocket_callback_on_writable(context, wsi);
		break;
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		libwebsocket_callback_on_writable(context, wsi);
		break;
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		libwebsocket_write(wsi, (unsigned char *)"hello", 5, LWS_WRITE_TEXT);
		libwebsocket_write(wsi, (unsigned char *)"\003\350", 2, LWS_WRITE_CLOSE);
		break;
	case LWS_CALLBACK_HTTP:
		if (!strcmp((const char *)in, "/file"))
			return serve_file(context, wsi, cert, "text/plain");
		libwebsocket_callback_on_writable(context, wsi);
		break;
	case LWS_CALLBACK_HTTP_WRITEABLE:
		libwebsocket_write(wsi, (unsigned char *)"HTTP/1.0 200 OK\r\n\r\n", 19,
				   LWS_WRITE_HTTP);
		return -1;
	default:
		break;
	}
	return 0;
}

/* Whether a reason may come when the context has been destroyed. */
static int is_of_the_end(enum libwebsocket_callback_reasons reason)
{
#if SOCKEYE_LWS_LEVEL >= 123
	if (reason == LWS_CALLBACK_CLOSED_HTTP)
		return 1;
#endif
#if SOCKEYE_LWS_LEVEL >= 130
	if (reason == LWS_CALLBACK_WSI_DESTROY || reason == LWS_CALLBACK_LOCK_POLL ||
	    reason == LWS_CALLBACK_UNLOCK_POLL)
		return 1;
#endif
	return reason == LWS_CALLBACK_CLOSED || reason == LWS_CALLBACK_DEL_POLL_FD ||
	       reason == LWS_CALLBACK_PROTOCOL_DESTROY;
}

static int callback_any(struct libwebsocket_context *context, struct libwebsocket *wsi,
			enum libwebsocket_callback_reasons reason, void *user, void *in,
			size_t len)
{
	int result;

	(void)len;
#if SOCKEYE_LWS_LEVEL >= 130
	if (reason == LWS_CALLBACK_USER || (int)reason == -1)
		return -1; /* as misuse has asked for */
	progress -= reason == LWS_CALLBACK_GET_THREAD_ID; /* comes though nothing happens */
#endif
	progress++;
	if ((unsigned int)reason >= REASONS) {
		EXPECT(!"a reason that there is");
		return 0;
	}
	seen[reason]++;
	EXPECT(context != destroyed || is_of_the_end(reason));
	if (user && (reason != LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION || SOCKEYE_LWS_LEVEL >= 123))
		memset(user, 0xaa, 24);
	if ((int)reason != now_reason || acting || acts++ > 20)
		return behave(context, wsi, reason, in);
	acting = 1;
	result = act(context, wsi);
	acting = 0;
	return result;
}

static struct libwebsocket_protocols protocols[] = {
	{ .name = "hostile", .callback = callback_any, .per_session_data_size = 24 },
	{ .name = "other", .callback = callback_any, .per_session_data_size = 24, .rx_buffer_size = 3 },
	{ .name = NULL },
};

static struct libwebsocket_protocols client_protocols[] = {
	{ .name = "hostile", .callback = callback_any, .per_session_data_size = 24 },
	{ .name = "other", .callback = callback_any, .per_session_data_size = 24, .rx_buffer_size = 3 },
	{ .name = NULL },
};

static struct libwebsocket_context *create(int listens, int tls)
{
	struct lws_context_creation_info info;

	memset(&info, 0, sizeof(info));
	info.port = listens ? port : CONTEXT_PORT_NO_LISTEN;
	info.iface = "127.0.0.1";
	info.protocols = listens ? protocols : client_protocols;
	info.extensions = libwebsocket_get_internal_extensions();
	info.gid = -1;
	info.uid = -1;
	if (tls) {
		info.ssl_cert_filepath = cert;
		info.ssl_private_key_filepath = key;
		info.options = LWS_SERVER_OPTION_REQUIRE_VALID_OPENSSL_CLIENT_CERT;
	}
	return libwebsocket_create_context(&info);
}

/* A plain socket that has asked for something over HTTP. */
static int ask(const char *request)
{
	struct sockaddr_in address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_port = htons((unsigned short)port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    write(fd, request, strlen(request)) < 0)
		progress++; /* the server is gone already, by its own hand */
	return fd;
}

/* Serves both until nothing has happened for a while. */
static void settle(void)
{
	int quiet = 0, before;

	while (quiet < 2) {
		before = progress;
		libwebsocket_service(server, 1);
		libwebsocket_service(client, 1);
		quiet = progress == before ? quiet + 1 : 0;
		if (progress > 20000) {
			EXPECT(!"an end");
			return;
		}
	}
}

static void life(int reason, int deed, int tls)
{
	int fds[3] = { -1, -1, -1 };
	int n;

	now_reason = reason;
	now_deed = deed;
	progress = acts = 0;
	destroyed = NULL;
	server = create(1, tls);
	client = create(0, tls);
	libwebsocket_client_connect(client, "127.0.0.1", port, tls, "/", "a", "b", "hostile", -1);
	if (!tls) {
		libwebsocket_client_connect(client, "127.0.0.1", port, 0, "/", "a", "b", "nobody",
					    -1);
		fds[0] = ask("GET /file HTTP/1.1\r\n\r\n");
		fds[1] = ask("GET / HTTP/1.1\r\n\r\n");
		fds[2] = ask("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello");
	}
	settle();
	libwebsocket_callback_on_writable_all_protocol(protocols);
	settle();
	/* what came to nothing is destroyed as well, and what is destroyed is misused */
	libwebsocket_context_destroy(client);
	libwebsocket_context_destroy(server);
	now_reason = -1;
	misuse(server, NULL);
	EXPECT(libwebsocket_context_user(server) == NULL);
	EXPECT(libwebsocket_service(client, 0) != 0);
	for (n = 0; n < 3; n++)
		if (fds[n] >= 0)
			close(fds[n]);
}

static int needs_tls(int reason)
{
	return reason >= LWS_CALLBACK_OPENSSL_LOAD_EXTRA_CLIENT_VERIFY_CERTS &&
	       reason <= LWS_CALLBACK_OPENSSL_PERFORM_CLIENT_CERT_VERIFICATION;
}

static void quiet(int level, const char *line)
{
	(void)level;
	EXPECT(!strstr(line, "caught")); /* a panic of the library */
}

int main(int argc, char **argv)
{
	int reason, deed, every, count = 0, missing = 0;

	if (argc < 5)
		return 2;
	port = atoi(argv[1]);
	ca = argv[2];
	cert = argv[3];
	key = argv[4];
	every = argc > 5 ? atoi(argv[5]) : 1;
	lws_set_log_level(LLL_ERR | LLL_WARN, quiet);
	life(-1, 0, 0);
	life(-1, 0, 1);
	for (reason = 0; reason < REASONS; reason++) {
		if (!seen[reason]) {
			fprintf(stderr, "reason %d never comes\n", reason);
			missing++;
		}
		for (deed = 0; deed < DEEDS; deed++) {
			if (count++ % every)
				continue;
			life(reason, deed, 0);
			if (needs_tls(reason) || count % 3 == 0)
				life(reason, deed, 1);
		}
	}
	printf("%d deeds, %d of %d reasons missing\n", count, missing, REASONS);
	puts(wrong || missing ? "wrong" : "survived");
	return wrong || missing;
}
