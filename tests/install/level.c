/* Prints the level that it was compiled for, if the library makes and destroys a context for it. */

#include <libwebsockets.h>

#include <stdio.h>
#include <string.h>

static int inits;

static int callback(struct libwebsocket_context *context, struct libwebsocket *wsi,
		    enum libwebsocket_callback_reasons reason, void *user, void *in, size_t len)
{
	(void)context;
	(void)wsi;
	(void)user;
	(void)in;
	(void)len;
	if (reason == LWS_CALLBACK_PROTOCOL_INIT)
		inits++;
	return 0;
}

static struct libwebsocket_protocols protocols[2];

int main(void)
{
	struct lws_context_creation_info info;
	struct libwebsocket_context *context;

	lws_set_log_level(LLL_ERR, NULL);
	protocols[0].name = "level";
	protocols[0].callback = callback;
	memset(&info, 0, sizeof(info));
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.protocols = protocols;
	info.gid = info.uid = -1;
	context = libwebsocket_create_context(&info);
	if (!context)
		return 1;
	if (libwebsocket_service(context, 0) < 0)
		return 2;
	libwebsocket_context_destroy(context);
	if (inits != 1) /* the number of the reason is the level's */
		return 3;
	printf("%d\n", SOCKEYE_LWS_LEVEL);
	return 0;
}
