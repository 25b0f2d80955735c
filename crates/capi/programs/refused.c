/*
 * Asks for a context with one member of the creation info set, as -DMEMBER=... says, and for a
 * connection under TLS; ends with 0 if there is none.
 */

#include <string.h>

#include <libwebsockets.h>

static int callback_none(struct libwebsocket_context *context, struct libwebsocket *wsi,
			 enum libwebsocket_callback_reasons reason, void *user, void *in,
			 size_t len)
{
	(void)context, (void)wsi, (void)reason, (void)user, (void)in, (void)len;
	return 0;
}

int main(void)
{
	static struct libwebsocket_protocols protocols[2];
	struct lws_context_creation_info info;
	struct libwebsocket_context *context;

	memset(&info, 0, sizeof(info));
	protocols[0].callback = callback_none;
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.protocols = protocols;
	info.gid = -1;
	info.uid = -1;
	info.MEMBER;
	context = libwebsocket_create_context(&info);
	return context && libwebsocket_client_connect(context, "127.0.0.1", 1, 1, "/", "a", NULL,
						      NULL, -1);
}
