/*
 * The shortest server: echoes every message, text as text and binary as binary, from the RECEIVE
 * callback. Its argument is the port; ends by SIGINT.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libwebsockets.h>

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

struct session {
	int inside; /* a part of the message has gone back already */
};

static int callback_echo(struct libwebsocket_context *context, struct libwebsocket *wsi,
			 enum libwebsocket_callback_reasons reason, void *user, void *in,
			 size_t len)
{
	struct session *session = (struct session *)user;
	int how;

	(void)context;
	if (reason != LWS_CALLBACK_RECEIVE)
		return 0;
	how = lws_frame_is_binary(wsi) ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
	if (session->inside)
		how = LWS_WRITE_CONTINUATION;
	session->inside = !libwebsocket_is_final_fragment(wsi);
	if (session->inside)
		how |= LWS_WRITE_NO_FIN;
	if (libwebsocket_write(wsi, (unsigned char *)in, len,
			       (enum libwebsocket_write_protocol)how) < (int)len)
		return -1;
	return 0;
}

static struct libwebsocket_protocols protocols[] = {
	{ "echo", callback_echo, sizeof(struct session), 0, NULL, 0 },
	{ NULL, NULL, 0, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	struct lws_context_creation_info info;
	struct libwebsocket_context *context;

	memset(&info, 0, sizeof(info));
	info.port = argc > 1 ? atoi(argv[1]) : 7681;
	info.protocols = protocols;
#ifdef OFFER_COMPRESSION
	info.extensions = libwebsocket_get_internal_extensions();
#endif
	info.gid = -1;
	info.uid = -1;
	signal(SIGINT, on_signal);
	context = libwebsocket_create_context(&info);
	if (!context)
		return 1;
	while (!stopped && libwebsocket_service(context, 1000) >= 0)
		;
	libwebsocket_context_destroy(context);
	return 0;
}
