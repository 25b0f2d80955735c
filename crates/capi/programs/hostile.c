/*
 * Does everything wrong that can be done with handles and NULL, also inside callbacks; ends with 0
 * if the library has survived it and answered as documented.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libwebsockets.h>

#if SOCKEYE_LWS_LEVEL < 130
#define LAST_REASON LWS_CALLBACK_CLEAR_MODE_POLL_FD
#define serve_file libwebsockets_serve_http_file
#elif SOCKEYE_LWS_LEVEL < 140
#define LAST_REASON LWS_CALLBACK_UNLOCK_POLL
#define serve_file(...) libwebsockets_serve_http_file(__VA_ARGS__, NULL)
#else
#define LAST_REASON LWS_CALLBACK_OPENSSL_CONTEXT_REQUIRES_PRIVATE_KEY
#define serve_file(...) libwebsockets_serve_http_file(__VA_ARGS__, NULL, 0)
#endif

static int wrong;
static int destroy_at = -1;
static struct libwebsocket *last;

#define EXPECT(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "WRONG in line %d: %s\n", __LINE__, #what); \
			wrong = 1; \
		} \
	} while (0)

/* Every function that takes a connection, with one that is none. */
static void abuse_wsi(struct libwebsocket_context *context, struct libwebsocket *wsi)
{
	unsigned char buffer[64] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
	char text[16] = "untouched";

	EXPECT(libwebsocket_write(wsi, buffer, 5, LWS_WRITE_TEXT) == -1);
	EXPECT(libwebsocket_write(wsi, buffer, 5, LWS_WRITE_HTTP) == -1);
	EXPECT(libwebsocket_write(wsi, buffer, (size_t)-1, LWS_WRITE_TEXT) == -1);
	EXPECT(libwebsocket_write(wsi, NULL, 5, LWS_WRITE_TEXT) == -1);
	EXPECT(libwebsocket_callback_on_writable(context, wsi) == -1);
	EXPECT(lws_send_pipe_choked(wsi) == 1);
	EXPECT(libwebsocket_rx_flow_control(wsi, 0) == 0);
	EXPECT(libwebsocket_rx_flow_control(wsi, 1) == 0);
	EXPECT(libwebsockets_get_protocol(wsi) == NULL);
	EXPECT(libwebsocket_get_socket_fd(wsi) == -1);
	EXPECT(libwebsocket_is_final_fragment(wsi) == 0);
	EXPECT(libwebsockets_remaining_packet_payload(wsi) == 0);
	EXPECT(lws_frame_is_binary(wsi) == 0);
	EXPECT(libwebsocket_get_reserved_bits(wsi) == 0);
	EXPECT(lws_hdr_total_length(wsi, WSI_TOKEN_HOST) == 0);
	EXPECT(lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_HOST) == 0);
	EXPECT(lws_hdr_copy(wsi, NULL, 0, (enum lws_token_indexes)-5) == 0);
	EXPECT(serve_file(context, wsi, "/etc/hostname", "text/plain") == -1);
	EXPECT(serve_file(context, wsi, NULL, NULL) == -1);
	EXPECT(libwebsockets_serve_http_file_fragment(context, wsi) == 1);
	EXPECT(libwebsocket_read(context, wsi, buffer, 5) == -1);
}

/* Every function that takes a context, with one that is none. */
static void abuse_context(struct libwebsocket_context *context)
{
	struct pollfd none = { -1, POLLIN, POLLIN };

	EXPECT(context ? libwebsocket_service(context, 0) == -1
		       : libwebsocket_service(context, 0) == 1);
	EXPECT(libwebsocket_service_fd(context, &none) == -1);
	EXPECT(libwebsocket_service_fd(context, NULL) == -1);
	EXPECT(libwebsocket_context_user(context) == NULL);
	EXPECT(libwebsocket_canonical_hostname(context) == NULL);
	EXPECT(libwebsocket_client_connect(context, "127.0.0.1", 1, 0, "/", "a", "a", NULL, -1) ==
	       NULL);
	libwebsocket_context_destroy(context);
}

static void abuse_data(struct libwebsocket_context *context)
{
	char out[64];
	unsigned char md[20];

	EXPECT(libwebsockets_SHA1(NULL, 5, md) == NULL);
	EXPECT(libwebsockets_SHA1(md, 5, NULL) == NULL);
	EXPECT(lws_b64_encode_string(NULL, 5, out, sizeof(out)) == -1);
	EXPECT(lws_b64_encode_string("abc", -5, out, sizeof(out)) == -1);
	EXPECT(lws_b64_encode_string("abc", 3, out, 4) == -1);
	EXPECT(lws_b64_encode_string("abc", 3, out, 5) == 4 && !strcmp(out, "YWJj"));
	EXPECT(lws_b64_decode_string(NULL, out, sizeof(out)) == -1);
	EXPECT(lws_b64_decode_string("YWJj", NULL, 5) == -1);
	EXPECT(lws_b64_decode_string("YWJjZA==", out, sizeof(out)) == 4 && !strcmp(out, "abcd"));
	EXPECT(libwebsockets_get_random(context, NULL, 5) == 0);
	EXPECT(libwebsockets_get_random(context, out, -5) == 0);
	EXPECT(libwebsockets_get_random(context, out, sizeof(out)) == sizeof(out));
	EXPECT(libwebsocket_create_context(NULL) == NULL);
	EXPECT(libwebsocket_callback_on_writable_all_protocol(NULL) == 0);
	EXPECT(libwebsocket_callback_on_writable_all_protocol(
		       (struct libwebsocket_protocols *)(void *)out) == 0);
	EXPECT(lws_daemonize(NULL) == 1);
	libwebsockets_get_peer_addresses(context, NULL, -1, NULL, 5, out, -5);
	libwebsockets_get_peer_addresses(context, NULL, 0, out, sizeof(out), NULL, 0);
	lwsl_emit_syslog(LLL_ERR, NULL);
	_lws_log(LLL_ERR, "%s and %d and %.1f\n", "text", 7, 1.5);
}

static int callback_any(struct libwebsocket_context *context, struct libwebsocket *wsi,
			enum libwebsocket_callback_reasons reason, void *user, void *in,
			size_t len)
{
	(void)user;
	(void)in;
	(void)len;
	if (reason == LWS_CALLBACK_CLIENT_ESTABLISHED)
		libwebsocket_write(wsi, (unsigned char *)"hello", 5, LWS_WRITE_TEXT);
	if (reason == LWS_CALLBACK_ESTABLISHED) {
		last = wsi;
		libwebsocket_callback_on_writable(context, wsi);
	}
	if (wsi && reason != LWS_CALLBACK_CLOSED && reason != LWS_CALLBACK_DEL_POLL_FD) {
		EXPECT(libwebsockets_get_protocol(wsi) != NULL);
		EXPECT(libwebsocket_callback_on_writable(NULL, wsi) == -1);
	}
	if ((int)reason == destroy_at)
		libwebsocket_context_destroy(context);
	return 0;
}

static struct libwebsocket_protocols protocols[] = {
	{ .name = "any", .callback = callback_any, .per_session_data_size = 8 },
	{ .name = NULL },
};

static struct libwebsocket_context *create(int port)
{
	struct lws_context_creation_info info;

	memset(&info, 0, sizeof(info));
	info.port = port;
	info.iface = "127.0.0.1";
	info.protocols = protocols;
	info.gid = -1;
	info.uid = -1;
	return libwebsocket_create_context(&info);
}

static void *from_another_thread(void *context)
{
	EXPECT(libwebsocket_service((struct libwebsocket_context *)context, 0) == -1);
	EXPECT(libwebsocket_write(last, (unsigned char *)"x", 1, LWS_WRITE_TEXT) == -1);
	EXPECT(libwebsocket_callback_on_writable((struct libwebsocket_context *)context, last) ==
	       1);
	EXPECT(libwebsocket_callback_on_writable_all_protocol(protocols) == 0);
	return NULL;
}

/* A connection of a context with itself, destroyed inside the callback of this reason. */
static void destroy_inside(int port, int reason)
{
	struct libwebsocket_context *context;
	int n;

	destroy_at = reason;
	context = create(port);
	if (context) {
		libwebsocket_client_connect(context, "127.0.0.1", port, 0, "/", "a", "b", "any",
					    -1);
		for (n = 0; n < 20; n++)
			if (libwebsocket_service(context, 5) < 0)
				break;
		destroy_at = -1;
		libwebsocket_context_destroy(context);
		abuse_context(context);
	}
	destroy_at = -1;
}

int main(int argc, char **argv)
{
	struct libwebsocket_context *context, *second;
	struct libwebsocket *wsi, *second_wsi;
	int port = argc > 1 ? atoi(argv[1]) : 7681;
	pthread_t thread;
	size_t n, round;

	lws_set_log_level(LLL_ERR, NULL);
	abuse_data(NULL);
	for (n = 0; n < 4096; n++) {
		abuse_wsi(NULL, (struct libwebsocket *)(size_t)(n * 0x9e3779b97f4a7c15ULL));
		abuse_context((struct libwebsocket_context *)(size_t)(n * 0x9e3779b97f4a7c15ULL));
	}
	context = create(port);
	EXPECT(context != NULL);
	EXPECT(create(port) == NULL);
	EXPECT(create(70000) == NULL);
	EXPECT(create(-2) == NULL);
	abuse_data(context);
	abuse_wsi(context, NULL);
	abuse_wsi(context, (struct libwebsocket *)context);
	EXPECT(libwebsocket_service((struct libwebsocket_context *)&argc, 0) == -1);
	wsi = libwebsocket_client_connect(context, "127.0.0.1", port, 0, "/", "a", "b", "any", -1);
	EXPECT(wsi != NULL);
	for (n = 0; n < 50 && !last; n++)
		EXPECT(libwebsocket_service(context, 100) == 0);
	EXPECT(last != NULL);
	second = create(port + 1);
	EXPECT(second != NULL);
	EXPECT(libwebsocket_callback_on_writable(second, wsi) == -1);
	EXPECT(serve_file(context, wsi, "/etc/hostname", "text/plain") == -1);
	EXPECT(libwebsocket_client_connect(context, NULL, 1, 0, NULL, NULL, NULL, NULL, -1) == NULL);
	EXPECT(libwebsocket_client_connect(context, "a", -7, 0, "/", "a", "b", "c", -1) == NULL);
	EXPECT(libwebsocket_client_connect(context, "127.0.0.1", port, 0, "/ \r\n", "a", "b", "c",
					   -1) == NULL);
	EXPECT(libwebsocket_client_connect(context, "127.0.0.1", port, 0, "/", "a\r\nb", "b", "c",
					   -1) == NULL);
	EXPECT(libwebsocket_client_connect(context, "127.0.0.1", port, 0, "/", "a", "b", "c", 8) ==
	       NULL);
	pthread_create(&thread, NULL, from_another_thread, context);
	pthread_join(thread, NULL);
	for (n = 0; n < 10; n++)
		libwebsocket_service(context, 5);
	/* both ends close; the places of their handles are used again */
	second_wsi = last;
	EXPECT(libwebsocket_write(wsi, (unsigned char *)"\003\350", 2, LWS_WRITE_CLOSE) == 2);
	for (n = 0; n < 50 && libwebsockets_get_protocol(wsi); n++)
		libwebsocket_service(context, 100);
	for (round = 0; round < 4; round++) {
		last = NULL;
		EXPECT(libwebsocket_client_connect(context, "127.0.0.1", port, 0, "/", "a", "b",
						   "any", -1) != NULL);
		for (n = 0; n < 50 && !last; n++)
			libwebsocket_service(context, 100);
	}
	EXPECT(last != NULL && last != wsi && last != second_wsi);
	abuse_wsi(context, wsi);
	abuse_wsi(context, second_wsi);
	libwebsocket_context_destroy(second);
	libwebsocket_context_destroy(context);
	abuse_wsi(context, wsi);
	abuse_wsi(context, last);
	abuse_context(context);
	for (n = 0; n <= LAST_REASON; n++)
		destroy_inside(port, (int)n);
	puts(wrong ? "wrong" : "survived");
	return wrong;
}
