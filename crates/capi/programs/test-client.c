/*
 * libwebsockets-test-client as the manual describes it: prints the counter of a test server, and
 * draws circles on its board in sessions that it closes and opens again.
 */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libwebsockets.h>

static volatile sig_atomic_t force_exit;
static int was_closed, failed;
static int deny_deflate, deny_mux, longlived;
static struct libwebsocket *wsi_dumb, *wsi_mirror;
static int mirror_lifetime;

/* What a client may veto: extensions that its context would offer. */
static int is_denied(const char *extension)
{
	if (deny_deflate && strstr(extension, "deflate")) {
		fprintf(stderr, "denied %s extension\n", extension);
		return 1;
	}
	if (deny_mux && strstr(extension, "mux")) {
		fprintf(stderr, "denied %s extension\n", extension);
		return 1;
	}
	return 0;
}

static int callback_dumb_increment(struct libwebsocket_context *context, struct libwebsocket *wsi,
				   enum libwebsocket_callback_reasons reason, void *user, void *in,
				   size_t len)
{
	(void)context;
	(void)user;
	switch (reason) {
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		fprintf(stderr, "callback_dumb_increment: LWS_CALLBACK_CLIENT_ESTABLISHED\n");
		break;
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		fprintf(stderr, "LWS_CALLBACK_CLIENT_CONNECTION_ERROR\n");
		if (wsi == wsi_mirror)
			wsi_mirror = NULL;
		failed = was_closed = 1;
		break;
	case LWS_CALLBACK_CLOSED:
		fprintf(stderr, "LWS_CALLBACK_CLOSED\n");
		was_closed = 1;
		break;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		((char *)in)[len] = '\0';
		fprintf(stderr, "rx %d '%s'\n", (int)len, (char *)in);
		break;
	case LWS_CALLBACK_CLIENT_CONFIRM_EXTENSION_SUPPORTED:
		return is_denied((const char *)in);
	default:
		break;
	}
	return 0;
}

/* Draws one circle; negative: the session is over. */
static int draw(struct libwebsocket_context *context, struct libwebsocket *wsi)
{
	unsigned char buffer[LWS_SEND_BUFFER_PRE_PADDING + 64 + LWS_SEND_BUFFER_POST_PADDING];
	unsigned char *text = &buffer[LWS_SEND_BUFFER_PRE_PADDING];
	int n = sprintf((char *)text, "c #%06X %d %d %d;", (unsigned int)random() & 0xffffff,
			(int)random() % 500, (int)random() % 250, (int)random() % 24);

	if (libwebsocket_write(wsi, text, (size_t)n, LWS_WRITE_TEXT) < 0)
		return -1;
	if (!longlived && --mirror_lifetime <= 0) {
		fprintf(stderr, "closing mirror session\n");
		return -1;
	}
	libwebsocket_callback_on_writable(context, wsi);
	return 0;
}

static int callback_lws_mirror(struct libwebsocket_context *context, struct libwebsocket *wsi,
			       enum libwebsocket_callback_reasons reason, void *user, void *in,
			       size_t len)
{
	(void)user;
	(void)in;
	(void)len;
	switch (reason) {
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		fprintf(stderr, "callback_lws_mirror: LWS_CALLBACK_CLIENT_ESTABLISHED\n");
		libwebsocket_callback_on_writable(context, wsi);
		break;
	case LWS_CALLBACK_CLOSED:
		fprintf(stderr, "mirror: LWS_CALLBACK_CLOSED\n");
		wsi_mirror = NULL;
		break;
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return draw(context, wsi);
	default:
		break;
	}
	return 0;
}

enum { PROTOCOL_DUMB_INCREMENT, PROTOCOL_LWS_MIRROR };

#if defined(LWS_FEATURE_PROTOCOLS_HAS_ID_FIELD)
#define FILLED_IN 0, NULL, NULL, 0
#elif defined(LWS_VISIBLE)
#define FILLED_IN 0, NULL, 0
#else
#define FILLED_IN NULL, 0
#endif

static struct libwebsocket_protocols protocols[] = {
	{ "dumb-increment-protocol", callback_dumb_increment, 0, 20, FILLED_IN },
	{ "lws-mirror-protocol", callback_lws_mirror, 0, 128, FILLED_IN },
	{ NULL, NULL, 0, 0, FILLED_IN },
};

static void sighandler(int sig)
{
	(void)sig;
	force_exit = 1;
}

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "debug", required_argument, NULL, 'd' },
	{ "port", required_argument, NULL, 'p' },
	{ "ssl", no_argument, NULL, 's' },
	{ "version", required_argument, NULL, 'v' },
	{ "undeflated", no_argument, NULL, 'u' },
	{ "nomux", no_argument, NULL, 'n' },
	{ "longlived", no_argument, NULL, 'l' },
	{ NULL, 0, NULL, 0 },
};

static int usage(void)
{
	fprintf(stderr, "Usage: libwebsockets-test-client <server address> [--port=<p>] [--ssl] "
			"[-v <ver>] [-d <log bitfield>] [-u] [-n] [-l]\n");
	return 1;
}

int main(int argc, char **argv)
{
	struct lws_context_creation_info info;
	struct libwebsocket_context *context;
	int n, port = 7681, use_ssl = 0, version = -1;
	const char *address;

	fprintf(stderr, "libwebsockets test client, re-created for Sockeye\n");
	memset(&info, 0, sizeof(info));
	while ((n = getopt_long(argc, argv, "nuv:hsp:d:l", options, NULL)) >= 0) {
		switch (n) {
		case 'd':
			lws_set_log_level(atoi(optarg), NULL);
			break;
		case 's':
			use_ssl = 2; /* certificates that signed themselves are good enough */
			break;
		case 'p':
			port = atoi(optarg);
			break;
		case 'v':
			version = atoi(optarg);
			break;
		case 'u':
			deny_deflate = 1;
			break;
		case 'n':
			deny_mux = 1;
			break;
		case 'l':
			longlived = 1;
			break;
		default:
			return usage();
		}
	}
	if (optind >= argc)
		return usage();
	address = argv[optind];
	signal(SIGINT, sighandler);
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.protocols = protocols;
#ifndef LWS_NO_EXTENSIONS
	info.extensions = libwebsocket_get_internal_extensions();
#endif
	info.gid = -1;
	info.uid = -1;
	context = libwebsocket_create_context(&info);
	if (!context) {
		fprintf(stderr, "Creating libwebsocket context failed\n");
		return 1;
	}
	wsi_dumb = libwebsocket_client_connect(context, address, port, use_ssl, "/", address,
					       address, protocols[PROTOCOL_DUMB_INCREMENT].name,
					       version);
	if (!wsi_dumb) {
		fprintf(stderr, "libwebsocket dumb connect failed\n");
		libwebsocket_context_destroy(context);
		return 1;
	}
	fprintf(stderr, "Websocket connections opened\n");
	n = 0;
	while (n >= 0 && !was_closed && !force_exit) {
		n = libwebsocket_service(context, 10);
		if (n < 0 || wsi_mirror || was_closed || force_exit)
			continue;
		mirror_lifetime = 10 + (int)(random() & 1023);
		wsi_mirror = libwebsocket_client_connect(context, address, port, use_ssl, "/",
							 address, address,
							 protocols[PROTOCOL_LWS_MIRROR].name,
							 version);
		if (!wsi_mirror) {
			fprintf(stderr, "libwebsocket mirror connect failed\n");
			failed = 1;
			break;
		}
	}
	fprintf(stderr, "Exiting\n");
	libwebsocket_context_destroy(context);
	return failed;
}
