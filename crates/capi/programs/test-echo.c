/*
 * libwebsockets-test-echo as the manual describes it: a server that sends back what it gets, and
 * a client that sends a line again and again.
 */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <syslog.h>

#include <libwebsockets.h>

#ifndef INSTALL_DATADIR
#define INSTALL_DATADIR "/usr/share"
#endif
#define DATA INSTALL_DATADIR "/libwebsockets-test-server"
#define MOST 1400

static volatile sig_atomic_t force_exit;
static int is_client, closed;

struct per_session_data__echo {
	unsigned char buf[LWS_SEND_BUFFER_PRE_PADDING + MOST + LWS_SEND_BUFFER_POST_PADDING];
	size_t len;
	unsigned int index;
};

static int callback_echo(struct libwebsocket_context *context, struct libwebsocket *wsi,
			 enum libwebsocket_callback_reasons reason, void *user, void *in,
			 size_t len)
{
	struct per_session_data__echo *pss = (struct per_session_data__echo *)user;
	char *text;
	int n;

	switch (reason) {
	case LWS_CALLBACK_SERVER_WRITEABLE:
		n = libwebsocket_write(wsi, &pss->buf[LWS_SEND_BUFFER_PRE_PADDING], pss->len,
				       LWS_WRITE_TEXT);
		if (n < (int)pss->len) {
			lwsl_err("ERROR %d writing to socket, hanging up\n", n);
			return -1;
		}
		break;
	case LWS_CALLBACK_RECEIVE:
		if (len > MOST) {
			lwsl_err("Server received packet bigger than %u, hanging up\n", MOST);
			return -1;
		}
		memcpy(&pss->buf[LWS_SEND_BUFFER_PRE_PADDING], in, len);
		pss->len = len;
		libwebsocket_callback_on_writable(context, wsi);
		break;
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		lwsl_debug("Client has connected\n");
		pss->index = 0;
		break;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		lwsl_notice("Client RX: %s", (char *)in);
		break;
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		text = (char *)&pss->buf[LWS_SEND_BUFFER_PRE_PADDING];
		n = sprintf(text, "hello from libwebsockets-test-echo client pid %d index %u\n",
			    (int)getpid(), pss->index++);
		lwsl_notice("Client TX: %s", text);
		if (libwebsocket_write(wsi, (unsigned char *)text, (size_t)n, LWS_WRITE_TEXT) < n) {
			lwsl_err("ERROR writing to socket, hanging up\n");
			return -1;
		}
		break;
	case LWS_CALLBACK_CLOSED:
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		closed = 1;
		break;
	default:
		break;
	}
	return 0;
}

static struct libwebsocket_protocols protocols[] = {
	{ "default", callback_echo, sizeof(struct per_session_data__echo), 0, NULL, 0 },
	{ NULL, NULL, 0, 0, NULL, 0 },
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
	{ "client", required_argument, NULL, 'c' },
	{ "ratems", required_argument, NULL, 'r' },
	{ "ssl", no_argument, NULL, 's' },
	{ "interface", required_argument, NULL, 'i' },
	{ "daemonize", no_argument, NULL, 'D' },
	{ NULL, 0, NULL, 0 },
};

static unsigned long long now_ms(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return (unsigned long long)now.tv_sec * 1000 + (unsigned long long)now.tv_usec / 1000;
}

int main(int argc, char **argv)
{
	struct libwebsocket_context *context;
	struct lws_context_creation_info info;
	struct libwebsocket *wsi = NULL;
	const char *address = NULL;
	unsigned long long then = 0;
	int n, port = 0, use_ssl = 0, daemonize = 0, rate_ms = 250, debug_level = 7;
	int syslog_options = LOG_PID | LOG_PERROR;

	memset(&info, 0, sizeof(info));
	while ((n = getopt_long(argc, argv, "i:hsp:d:Dc:r:", options, NULL)) >= 0) {
		switch (n) {
		case 'D':
			daemonize = 1;
			syslog_options &= ~LOG_PERROR;
			break;
		case 'd':
			debug_level = atoi(optarg);
			break;
		case 's':
			use_ssl = 2; /* certificates that signed themselves are good enough */
			break;
		case 'p':
			port = atoi(optarg);
			break;
		case 'c':
			is_client = 1;
			address = optarg;
			break;
		case 'r':
			rate_ms = atoi(optarg);
			break;
		case 'i':
			info.iface = optarg;
			break;
		default:
			fprintf(stderr, "Usage: libwebsockets-test-echo [--ssl] [--client <address>] "
					"[--ratems <ms>] [--port=<p>] [-d <log bitfield>]\n");
			return 1;
		}
	}
	if (daemonize && lws_daemonize("/tmp/.lwstecho-lock")) {
		fprintf(stderr, "Failed to daemonize\n");
		return 1;
	}
	if (!port)
		port = is_client ? 80 : 7681;
	setlogmask(LOG_UPTO(LOG_DEBUG));
	openlog("lwsts", syslog_options, LOG_DAEMON);
	lws_set_log_level(debug_level, lwsl_emit_syslog);
	lwsl_notice("libwebsockets echo test, re-created for Sockeye\n");
	lwsl_notice("Running in %s mode\n", is_client ? "client" : "server");
	info.port = is_client ? CONTEXT_PORT_NO_LISTEN : port;
	if (use_ssl && !is_client) {
		info.ssl_cert_filepath = DATA "/libwebsockets-test-server.pem";
		info.ssl_private_key_filepath = DATA "/libwebsockets-test-server.key.pem";
	}
	info.protocols = protocols;
	info.extensions = libwebsocket_get_internal_extensions();
	info.gid = -1;
	info.uid = -1;
	signal(SIGINT, sighandler);
	context = libwebsocket_create_context(&info);
	if (!context) {
		lwsl_err("libwebsocket init failed\n");
		return -1;
	}
	if (is_client) {
		lwsl_notice("Client connecting to %s:%d....\n", address, port);
		wsi = libwebsocket_client_connect(context, address, port, use_ssl, "/", address,
						  "origin", NULL, -1);
		if (!wsi) {
			lwsl_err("Client failed to connect to %s:%d\n", address, port);
			goto done;
		}
		lwsl_notice("Client connected to %s:%d\n", address, port);
	}
	n = 0;
	while (n >= 0 && !force_exit && !(is_client && closed)) {
		if (is_client && now_ms() - then > (unsigned long long)rate_ms) {
			libwebsocket_callback_on_writable(context, wsi);
			then = now_ms();
		}
		n = libwebsocket_service(context, 10);
	}
done:
	libwebsocket_context_destroy(context);
	lwsl_notice("libwebsockets-test-echo exited cleanly\n");
	closelog();
	return 0;
}
