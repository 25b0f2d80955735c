/*
 * libwebsockets-test-fraggle as the manual describes it: a server sends messages of many random
 * fragments and their sum; a client adds up what it gets and compares.
 */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libwebsockets.h>

#ifndef INSTALL_DATADIR
#define INSTALL_DATADIR "/usr/share"
#endif
#define DATA INSTALL_DATADIR "/libwebsockets-test-server"

enum fraggle_states {
	FRAGSTATE_START_MESSAGE,
	FRAGSTATE_RANDOM_PAYLOAD,
	FRAGSTATE_POST_PAYLOAD_SUM
};

struct per_session_data__fraggle {
	int packets_left;
	int total_message;
	unsigned long sum;
	enum fraggle_states state;
};

static int terminate, failed;

static void begin(struct per_session_data__fraggle *psf)
{
	psf->state = FRAGSTATE_START_MESSAGE;
	psf->sum = 0;
	psf->total_message = 0;
}

static void receive(struct libwebsocket *wsi, struct per_session_data__fraggle *psf,
		    const unsigned char *in, size_t len)
{
	unsigned long sum;
	size_t n;

	switch (psf->state) {
	case FRAGSTATE_START_MESSAGE:
		psf->state = FRAGSTATE_RANDOM_PAYLOAD;
		psf->sum = 0;
		psf->total_message = 0;
		psf->packets_left = 0;
		/* fall through */
	case FRAGSTATE_RANDOM_PAYLOAD:
		for (n = 0; n < len; n++)
			psf->sum += in[n];
		psf->total_message += (int)len;
		psf->packets_left++;
		if (libwebsocket_is_final_fragment(wsi))
			psf->state = FRAGSTATE_POST_PAYLOAD_SUM;
		break;
	case FRAGSTATE_POST_PAYLOAD_SUM:
		sum = len < 4 ? 0 : ((unsigned long)in[0] << 24) | ((unsigned long)in[1] << 16) |
					    ((unsigned long)in[2] << 8) | in[3];
		if (len == 4 && sum == psf->sum)
			fprintf(stderr, "EOM received %d correctly from %d fragments\n",
				psf->total_message, psf->packets_left);
		else
			fprintf(stderr, "**** ERROR at EOM: length %d, rx sum = 0x%lX, "
					"server says its sum = 0x%lX\n",
				psf->total_message, psf->sum, sum);
		psf->state = FRAGSTATE_START_MESSAGE;
		break;
	}
}

static int transmit(struct libwebsocket_context *context, struct libwebsocket *wsi,
		    struct per_session_data__fraggle *psf)
{
	unsigned char buffer[LWS_SEND_BUFFER_PRE_PADDING + 8000 + LWS_SEND_BUFFER_POST_PADDING];
	unsigned char *bp = &buffer[LWS_SEND_BUFFER_PRE_PADDING];
	int n, chunk, mode = LWS_WRITE_CONTINUATION;
	unsigned short random;

	switch (psf->state) {
	case FRAGSTATE_START_MESSAGE:
		libwebsockets_get_random(context, &random, sizeof(random));
		psf->packets_left = (random % 1024) + 1;
		fprintf(stderr, "Spamming %d random fragments\n", psf->packets_left);
		psf->sum = 0;
		psf->total_message = 0;
		mode = LWS_WRITE_BINARY;
		psf->state = FRAGSTATE_RANDOM_PAYLOAD;
		/* fall through */
	case FRAGSTATE_RANDOM_PAYLOAD:
		libwebsockets_get_random(context, &random, sizeof(random));
		chunk = (random % 8000) + 1;
		psf->total_message += chunk;
		libwebsockets_get_random(context, bp, chunk);
		for (n = 0; n < chunk; n++)
			psf->sum += bp[n];
		if (--psf->packets_left)
			mode |= LWS_WRITE_NO_FIN;
		else
			psf->state = FRAGSTATE_POST_PAYLOAD_SUM;
		n = libwebsocket_write(wsi, bp, (size_t)chunk,
				       (enum libwebsocket_write_protocol)mode);
		if (n < 0)
			return -1;
		break;
	case FRAGSTATE_POST_PAYLOAD_SUM:
		fprintf(stderr, "Spamming session over, len = %d. sum = 0x%lX\n",
			psf->total_message, psf->sum);
		for (n = 0; n < 4; n++)
			bp[n] = (unsigned char)(psf->sum >> (24 - 8 * n));
		if (libwebsocket_write(wsi, bp, 4, LWS_WRITE_BINARY) < 4)
			return -1;
		psf->state = FRAGSTATE_START_MESSAGE;
		break;
	}
	libwebsocket_callback_on_writable(context, wsi);
	return 0;
}

static int callback_fraggle(struct libwebsocket_context *context, struct libwebsocket *wsi,
			    enum libwebsocket_callback_reasons reason, void *user, void *in,
			    size_t len)
{
	struct per_session_data__fraggle *psf = (struct per_session_data__fraggle *)user;

	switch (reason) {
	case LWS_CALLBACK_ESTABLISHED:
		fprintf(stderr, "server sees client connect\n");
		begin(psf);
		libwebsocket_callback_on_writable(context, wsi);
		break;
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		fprintf(stderr, "client connects to server\n");
		begin(psf);
		break;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		receive(wsi, psf, (const unsigned char *)in, len);
		break;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return transmit(context, wsi, psf);
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		fprintf(stderr, "The server does not let us in\n");
		failed = terminate = 1;
		break;
	case LWS_CALLBACK_CLOSED:
		terminate = 1;
		break;
	default:
		break;
	}
	return 0;
}

static struct libwebsocket_protocols protocols[] = {
	{ "fraggle-protocol", callback_fraggle, sizeof(struct per_session_data__fraggle), 0, NULL,
	  0 },
	{ NULL, NULL, 0, 0, NULL, 0 },
};

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "debug", required_argument, NULL, 'd' },
	{ "port", required_argument, NULL, 'p' },
	{ "ssl", no_argument, NULL, 's' },
	{ "interface", required_argument, NULL, 'i' },
	{ "client", no_argument, NULL, 'c' },
	{ NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	struct libwebsocket_context *context;
	struct lws_context_creation_info info;
	const char *address = NULL;
	int n, port = 7681, client = 0, use_ssl = 0;

	memset(&info, 0, sizeof(info));
	fprintf(stderr, "libwebsockets test fraggle, re-created for Sockeye\n");
	while ((n = getopt_long(argc, argv, "ci:hsp:d:", options, NULL)) >= 0) {
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
		case 'i':
			info.iface = optarg;
			break;
		case 'c':
			client = 1;
			break;
		default:
			fprintf(stderr, "Usage: libwebsockets-test-fraggle [--port=<p>] [--ssl] "
					"[-d <log bitfield>] [--client <address>]\n");
			return 1;
		}
	}
	if (client && optind >= argc) {
		fprintf(stderr, "Must give address of server\n");
		return 1;
	}
	address = client ? argv[optind] : NULL;
	info.port = client ? CONTEXT_PORT_NO_LISTEN : port;
	if (use_ssl && !client) {
		info.ssl_cert_filepath = DATA "/libwebsockets-test-server.pem";
		info.ssl_private_key_filepath = DATA "/libwebsockets-test-server.key.pem";
	}
	info.protocols = protocols;
#ifdef OFFER_COMPRESSION
	info.extensions = libwebsocket_get_internal_extensions();
#endif
	info.gid = -1;
	info.uid = -1;
	context = libwebsocket_create_context(&info);
	if (!context) {
		fprintf(stderr, "libwebsocket init failed\n");
		return -1;
	}
	if (client && !libwebsocket_client_connect(context, address, port, use_ssl, "/", address,
						   "origin", protocols[0].name, -1)) {
		fprintf(stderr, "Client connect to server failed\n");
		libwebsocket_context_destroy(context);
		return 1;
	}
	while (!terminate && libwebsocket_service(context, 50) >= 0)
		;
	fprintf(stderr, "Terminating...\n");
	libwebsocket_context_destroy(context);
	return failed;
}
