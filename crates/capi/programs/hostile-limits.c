/*
 * Asks for too much: odd creation infos, handles of other contexts, handles that are off by a bit,
 * peers that never read, programs that never read, and so many connections that the handles begin
 * anew. Ends with 0 if the library has kept to its limits.
 *
 *     hostile-limits PORT [CONNECTIONS]
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libwebsockets.h>

#if SOCKEYE_LWS_LEVEL < 130
#define serve_file libwebsockets_serve_http_file
#elif SOCKEYE_LWS_LEVEL < 140
#define serve_file(...) libwebsockets_serve_http_file(__VA_ARGS__, NULL)
#else
#define serve_file(...) libwebsockets_serve_http_file(__VA_ARGS__, NULL, 0)
#endif

static int wrong, port, established, closed, received, stops;
static struct libwebsocket *last, *listener;

#define EXPECT(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "WRONG in line %d: %s\n", __LINE__, #what); \
			wrong = 1; \
		} \
	} while (0)

static int callback_any(struct libwebsocket_context *context, struct libwebsocket *wsi,
			enum libwebsocket_callback_reasons reason, void *user, void *in,
			size_t len)
{
	int small = 4096;

	(void)context;
	(void)user;
	switch (reason) {
	case LWS_CALLBACK_FILTER_NETWORK_CONNECTION:
		listener = wsi;
		/* so that what the system keeps for the socket is next to nothing */
		setsockopt((int)(long)in, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
		setsockopt((int)(long)in, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
		break;
	case LWS_CALLBACK_ESTABLISHED:
		established++;
		last = wsi;
		break;
	case LWS_CALLBACK_RECEIVE:
		received += (int)len;
		if (stops)
			libwebsocket_rx_flow_control(wsi, 0);
		break;
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		return libwebsocket_write(wsi, (unsigned char *)"\003\350", 2, LWS_WRITE_CLOSE);
	case LWS_CALLBACK_CLOSED:
		closed++;
		break;
	default:
		break;
	}
	return 0;
}

static struct libwebsocket_protocols protocols[] = {
	{ .name = "any", .callback = callback_any, .per_session_data_size = 8 },
	{ .name = NULL },
};

static struct libwebsocket_context *create(int at, struct libwebsocket_protocols *array)
{
	struct lws_context_creation_info info;

	memset(&info, 0, sizeof(info));
	info.port = at;
	info.protocols = array;
	info.gid = -1;
	info.uid = -1;
	return libwebsocket_create_context(&info);
}

static void serve(struct libwebsocket_context *context, const int *count, int until)
{
	int n;

	for (n = 0; n < 3000 && *count < until; n++)
		libwebsocket_service(context, 10);
	EXPECT(*count >= until);
}

/* A connected plain socket, whose buffers are as small as can be. */
static int dial(void)
{
	struct sockaddr_in address;
	int small = 4096, fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_port = htons((unsigned short)port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	EXPECT(!connect(fd, (struct sockaddr *)&address, sizeof(address)));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static int upgrade(struct libwebsocket_context *context)
{
	static const char request[] =
		"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Protocol: any\r\n\r\n";
	int fd = dial();

	EXPECT(write(fd, request, sizeof(request) - 1) == (ssize_t)sizeof(request) - 1);
	serve(context, &established, established + 1);
	return fd;
}

/* Takes from a creation info what a level has and this library not, all of which is refused. */
static void be_no_stranger(struct lws_context_creation_info *info)
{
	(void)info;
#if SOCKEYE_LWS_LEVEL >= 130
	info->http_proxy_address = NULL;
	info->options &= ~(unsigned int)(LWS_SERVER_OPTION_LIBEV |
					 LWS_SERVER_OPTION_ALLOW_NON_SSL_ON_SSL_PORT |
					 LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS);
#endif
#if SOCKEYE_LWS_LEVEL >= 140
	info->ssl_private_key_password = NULL;
	info->provided_client_ssl_ctx = NULL;
#endif
}

/* Each of them is refused, or makes a context that works; nothing else. */
static void odd_infos(void)
{
	static char text[70000];
	static struct libwebsocket_protocols many[400], odd[2];
	struct lws_context_creation_info info;
	const char *const names[] = { "a b", "a\r\nX: y", "a,b", "\xff\xfe", text, "" };
	struct libwebsocket_context *context;
	size_t n;

	memset(text, 'x', sizeof(text) - 1);
	for (n = 0; n < 400; n++)
		many[n] = protocols[0];
	EXPECT(create(CONTEXT_PORT_NO_LISTEN, NULL) == NULL);
	EXPECT(create(CONTEXT_PORT_NO_LISTEN, &protocols[1]) == NULL);
	EXPECT(create(CONTEXT_PORT_NO_LISTEN, many) == NULL);
	for (n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
		odd[0] = protocols[0];
		odd[0].name = names[n];
		libwebsocket_context_destroy(create(CONTEXT_PORT_NO_LISTEN, odd));
	}
	memset(&info, 0xff, sizeof(info));
	info.protocols = protocols;
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.iface = info.ssl_cert_filepath = info.ssl_private_key_filepath = text;
	info.ssl_ca_filepath = info.ssl_cipher_list = text;
	info.extensions = libwebsocket_get_internal_extensions();
#if SOCKEYE_LWS_LEVEL >= 130
	info.token_limits = NULL;
	info.http_proxy_address = text; /* with a port that is none */
#endif
#if SOCKEYE_LWS_LEVEL >= 140
	info.ssl_private_key_password = text;
#endif
	EXPECT(libwebsocket_create_context(&info) == NULL);
	be_no_stranger(&info);
	EXPECT(libwebsocket_create_context(&info) == NULL);
	info.ssl_cert_filepath = info.ssl_cipher_list = NULL;
	info.ka_time = info.ka_probes = info.ka_interval = 0x7fffffff;
	EXPECT(libwebsocket_create_context(&info) == NULL);
	info.ka_time = info.ka_interval = 32767;
	context = libwebsocket_create_context(&info);
	EXPECT(context != NULL);
	EXPECT(libwebsocket_client_connect(context, "127.0.0.1", 1, 1, "/", "a", "b", "any", -1) ==
	       NULL);
	libwebsocket_context_destroy(context);
	info.port = port + 1;
	EXPECT(libwebsocket_create_context(&info) == NULL); /* no such interface */

	/* session memory that nobody has: no connection, and the next one is served */
	odd[0] = protocols[0];
	odd[0].per_session_data_size = (size_t)-1;
	context = create(port, odd);
	EXPECT(context != NULL);
	closed = established = 0;
	libwebsocket_client_connect(context, "127.0.0.1", port, 0, "/", "a", "b", "any", -1);
	for (n = 0; n < 20; n++)
		libwebsocket_service(context, 5);
	EXPECT(established == 0 && closed == 0);
	libwebsocket_context_destroy(context);
}

static void with_handle(struct libwebsocket_context *context, struct libwebsocket *wsi, int good)
{
	unsigned char buffer[4] = "abc";

	libwebsocket_callback_on_writable(context, wsi);
	libwebsockets_get_protocol(wsi);
	lws_send_pipe_choked(wsi);
	libwebsocket_get_socket_fd(wsi);
	lws_hdr_total_length(wsi, WSI_TOKEN_HOST);
	libwebsockets_serve_http_file_fragment(context, wsi);
	libwebsocket_context_user(context);
	libwebsocket_canonical_hostname(context);
	if (!good) {
		EXPECT(libwebsocket_write(wsi, buffer, 3, LWS_WRITE_TEXT) == -1);
		EXPECT(libwebsocket_read(context, wsi, buffer, 3) == -1);
	}
}

/* Handles that are good for something else, and those that are off by a bit. */
static void foreign_handles(struct libwebsocket_context *context)
{
	static struct libwebsocket_protocols others[2];
	struct libwebsocket_context *second;
	unsigned char buffer[4] = "abc";
	unsigned int bit;
	int fd = upgrade(context);

	others[0] = protocols[0];
	second = create(CONTEXT_PORT_NO_LISTEN, others);
	EXPECT(second != NULL);
	EXPECT(libwebsocket_callback_on_writable(second, last) == -1);
	EXPECT(serve_file(second, last, "/etc/hostname", "text/plain") == -1);
	EXPECT(libwebsockets_serve_http_file_fragment(second, last) == 1);
	EXPECT(libwebsocket_read(second, last, buffer, 3) == -1);
	EXPECT(libwebsocket_write((struct libwebsocket *)second, buffer, 3, LWS_WRITE_TEXT) == -1);
	EXPECT(libwebsocket_service((struct libwebsocket_context *)last, 0) == -1);
	EXPECT(libwebsocket_write(listener, buffer, 3, LWS_WRITE_TEXT) == -1);
	EXPECT(libwebsocket_write(listener, buffer, 3, LWS_WRITE_HTTP) == -1);
	with_handle(context, listener, 0);
	for (bit = 0; bit < 8 * sizeof(void *); bit++) {
		with_handle((struct libwebsocket_context *)((uintptr_t)context ^
							    (uintptr_t)1 << bit),
			    last, 1);
		with_handle(context,
			    (struct libwebsocket *)((uintptr_t)last ^ (uintptr_t)1 << bit), 0);
	}
	EXPECT(libwebsocket_write(last, buffer, 3, LWS_WRITE_TEXT) == 3); /* it is none the worse */
	libwebsocket_context_destroy(second);
	with_handle(second, last, 1);
	close(fd);
	serve(context, &closed, 1);
}

/* What a peer that never reads is owed is bounded, and then refused. */
static void unread_peer(struct libwebsocket_context *context)
{
	static unsigned char piece[10000];
	unsigned long taken = 0;
	int n, fd = upgrade(context);

	EXPECT(libwebsocket_write(last, piece, sizeof(piece), LWS_WRITE_PING) == -1);
	EXPECT(!lws_send_pipe_choked(last));
	for (n = 0; n < 1000; n++) {
		if (libwebsocket_write(last, piece, sizeof(piece), LWS_WRITE_BINARY) < 0)
			break;
		taken += sizeof(piece);
		if (n % 10 == 0)
			libwebsocket_service(context, 0);
	}
	printf("%lu bytes were taken for a peer that never reads\n", taken);
	EXPECT(taken > 1 << 20 && taken < (1 << 20) + 200000);
	EXPECT(lws_send_pipe_choked(last) == 1);
	closed = 0;
	close(fd);
	serve(context, &closed, 1);
}

/* What is read for a program that never takes it is bounded. */
static void unread_program(struct libwebsocket_context *context)
{
	static const unsigned char frame[] = "\x82\x84\x00\x00\x00\x00" "abcd";
	unsigned long sent = 0;
	int n, idle, fd;

	stops = 1;
	fd = upgrade(context);
	received = 0;
	for (idle = 0, n = 0; idle < 20 && n < 10000000; n++) {
		if (write(fd, frame, sizeof(frame) - 1) > 0) {
			sent += sizeof(frame) - 1;
			idle = 0;
		} else {
			libwebsocket_service(context, 1);
			idle++;
		}
	}
	printf("%lu bytes were taken for a program that never reads\n", sent);
	EXPECT(sent < 400000);
	EXPECT(received == 4); /* where it stopped */
	stops = 0;
	closed = 0;
	libwebsocket_rx_flow_control(last, 1);
	close(fd);
	serve(context, &closed, 1);
	EXPECT(received > 4);
}

/* So many connections, one after the other, that every place's count begins anew. */
static void wrap(struct libwebsocket_context *context, int connections)
{
	static struct libwebsocket *old[64];
	struct libwebsocket *wsi;
	int n, m;

	for (n = 0; n < connections; n++) {
		closed = 0;
		wsi = libwebsocket_client_connect(context, "127.0.0.1", port, 0, "/", "a", "b",
						  "any", -1);
		EXPECT(wsi != NULL);
		for (m = 0; m < 64; m++) {
			EXPECT(wsi != old[m]);
			EXPECT(!old[m] || libwebsocket_get_socket_fd(old[m]) == -1);
		}
		old[n % 64] = wsi;
		serve(context, &closed, 2);
		if (wrong)
			return;
	}
	printf("%d connections had handles of their own\n", n);
}

static void quiet(int level, const char *line)
{
	(void)level;
	if (strstr(line, "caught"))
		wrong = 1;
}

int main(int argc, char **argv)
{
	struct libwebsocket_context *context;

	port = argc > 1 ? atoi(argv[1]) : 7681;
	lws_set_log_level(LLL_ERR | LLL_WARN, quiet);
	odd_infos();
	context = create(port, protocols);
	EXPECT(context != NULL);
	closed = 0;
	foreign_handles(context);
	unread_peer(context);
	unread_program(context);
	wrap(context, argc > 2 ? atoi(argv[2]) : 1500);
	libwebsocket_context_destroy(context);
	puts(wrong ? "wrong" : "survived");
	return wrong;
}
