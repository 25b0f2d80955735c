/*
 * libwebsockets-test-server as the manual describes it: files over HTTP, a counter, a mirror.
 * With -DEXTERNAL_POLL it drives a poll array of its own.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <syslog.h>

#include <libwebsockets.h>

#define DATA INSTALL_DATADIR "/libwebsockets-test-server"
#define SLOTS 128

static volatile sig_atomic_t force_exit;
static int close_testing;

enum { PROTOCOL_HTTP, PROTOCOL_DUMB_INCREMENT, PROTOCOL_LWS_MIRROR };

#ifdef EXTERNAL_POLL
static struct pollfd *polls;
static int poll_count, poll_most;
#endif

struct per_session_data__http {
	int fd;
};

static const struct {
	const char *uri;
	const char *type;
} whitelist[] = {
	{ "/favicon.ico", "image/x-icon" },
	{ "/libwebsockets.org-logo.png", "image/png" },
	{ "/test.html", "text/html" }, /* also for everything else */
};

static const char *const token_names[WSI_TOKEN_COUNT] = {
	"GET URI", "Host", "Connection", "key 1", "key 2", "Protocol", "Upgrade", "Origin",
	"Draft", "Challenge", "Key", "Version", "Sworigin", "Extensions", "Accept", "Nonce",
	"Http", "MuxURL", "client protocols", "client address", "client URI", "client host",
	"client origin",
};

static void dump_handshake_info(struct libwebsocket *wsi)
{
	char buffer[256];
	int n;

	for (n = 0; n < WSI_TOKEN_COUNT; n++) {
		if (!lws_hdr_total_length(wsi, (enum lws_token_indexes)n))
			continue;
		if (lws_hdr_copy(wsi, buffer, sizeof(buffer), (enum lws_token_indexes)n) >= 0)
			fprintf(stderr, "    %s = %s\n", token_names[n], buffer);
	}
}

/* HTTP */

static int send_leaf_head(struct libwebsocket *wsi, struct per_session_data__http *session)
{
	char head[256];
	struct stat about;
	int n;

	session->fd = open(DATA "/leaf.jpg", O_RDONLY);
	if (session->fd < 0)
		return -1;
	fstat(session->fd, &about);
	n = sprintf(head,
		    "HTTP/1.0 200 OK\r\nServer: libwebsockets\r\n"
		    "Content-Type: image-jpeg\r\nContent-Length: %u\r\n\r\n",
		    (unsigned int)about.st_size);
	return libwebsocket_write(wsi, (unsigned char *)head, (size_t)n, LWS_WRITE_HTTP) < 0 ? -1
											      : 0;
}

static int send_leaf(struct libwebsocket_context *context, struct libwebsocket *wsi,
		     struct per_session_data__http *session)
{
	unsigned char buffer[4096];
	ssize_t n;

	do {
		n = read(session->fd, buffer, sizeof(buffer));
		if (n <= 0) {
			close(session->fd);
			return -1;
		}
		if (libwebsocket_write(wsi, buffer, (size_t)n, LWS_WRITE_HTTP) < 0) {
			close(session->fd);
			return -1;
		}
	} while (!lws_send_pipe_choked(wsi));
	libwebsocket_callback_on_writable(context, wsi);
	return 0;
}

#ifdef EXTERNAL_POLL
static void on_poll(enum libwebsocket_callback_reasons reason, int fd, size_t len)
{
	int n;

	if (reason == LWS_CALLBACK_ADD_POLL_FD) {
		if (poll_count >= poll_most) {
			lwsl_err("too many sockets to track\n");
			return;
		}
		polls[poll_count].fd = fd;
		polls[poll_count].events = (short)len;
		polls[poll_count++].revents = 0;
		return;
	}
	for (n = 0; n < poll_count; n++) {
		if (polls[n].fd != fd)
			continue;
		if (reason == LWS_CALLBACK_DEL_POLL_FD)
			polls[n] = polls[--poll_count];
		else if (reason == LWS_CALLBACK_SET_MODE_POLL_FD)
			polls[n].events |= (short)len;
		else
			polls[n].events &= (short)~len;
		return;
	}
}
#endif

static int callback_http(struct libwebsocket_context *context, struct libwebsocket *wsi,
			 enum libwebsocket_callback_reasons reason, void *user, void *in,
			 size_t len)
{
	struct per_session_data__http *session = (struct per_session_data__http *)user;
	char path[256];
	size_t n;

	(void)len;
	switch (reason) {
	case LWS_CALLBACK_HTTP:
		if (!strcmp((const char *)in, "/leaf.jpg")) {
			if (send_leaf_head(wsi, session))
				return -1;
			libwebsocket_callback_on_writable(context, wsi);
			break;
		}
		for (n = 0; n < 2; n++)
			if (!strcmp((const char *)in, whitelist[n].uri))
				break;
		sprintf(path, DATA "%s", whitelist[n].uri);
		if (libwebsockets_serve_http_file(context, wsi, path, whitelist[n].type))
			return -1;
		break;
	case LWS_CALLBACK_HTTP_FILE_COMPLETION:
		return -1; /* the connection was for this file */
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return send_leaf(context, wsi, session);
#ifdef EXTERNAL_POLL
	case LWS_CALLBACK_ADD_POLL_FD:
	case LWS_CALLBACK_DEL_POLL_FD:
	case LWS_CALLBACK_SET_MODE_POLL_FD:
	case LWS_CALLBACK_CLEAR_MODE_POLL_FD:
		on_poll(reason, (int)(long)in, len);
		break;
#endif
	default:
		break;
	}
	return 0;
}

/* dumb-increment-protocol */

struct per_session_data__dumb_increment {
	int number;
};

static int callback_dumb_increment(struct libwebsocket_context *context, struct libwebsocket *wsi,
				   enum libwebsocket_callback_reasons reason, void *user, void *in,
				   size_t len)
{
	struct per_session_data__dumb_increment *session =
		(struct per_session_data__dumb_increment *)user;
	unsigned char buffer[LWS_SEND_BUFFER_PRE_PADDING + 32 + LWS_SEND_BUFFER_POST_PADDING];
	unsigned char *text = &buffer[LWS_SEND_BUFFER_PRE_PADDING];
	int n, m;

	(void)context;
	switch (reason) {
	case LWS_CALLBACK_ESTABLISHED:
		lwsl_notice("callback_dumb_increment: LWS_CALLBACK_ESTABLISHED\n");
		session->number = 0;
		break;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		n = sprintf((char *)text, "%d", session->number++);
		m = libwebsocket_write(wsi, text, (size_t)n, LWS_WRITE_TEXT);
		if (m < n) {
			lwsl_err("ERROR %d writing to di socket\n", n);
			return -1;
		}
		if (close_testing && session->number == 50) {
			lwsl_info("close tesing limit, closing\n");
			return -1;
		}
		break;
	case LWS_CALLBACK_RECEIVE:
		if (len >= 6 && !strcmp((const char *)in, "reset\n"))
			session->number = 0;
		break;
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		dump_handshake_info(wsi);
		break;
	default:
		break;
	}
	return 0;
}

/* lws-mirror-protocol: a ring of what everyone has sent, and how far each connection is */

struct per_session_data__lws_mirror {
	struct libwebsocket *wsi;
	int tail;
};

static struct {
	void *payload;
	size_t len;
	enum libwebsocket_write_protocol kind;
} ring[SLOTS];
static int ring_head;

static int behind(const struct per_session_data__lws_mirror *session)
{
	return (ring_head - session->tail) & (SLOTS - 1);
}

static struct libwebsocket *choked[20];
static int choked_count;

static int mirror_write(struct libwebsocket_context *context, struct libwebsocket *wsi,
			struct per_session_data__lws_mirror *session)
{
	size_t len;
	int n;

	while (session->tail != ring_head) {
		len = ring[session->tail].len;
		n = libwebsocket_write(wsi, (unsigned char *)ring[session->tail].payload +
						    LWS_SEND_BUFFER_PRE_PADDING,
				       len, ring[session->tail].kind);
		if (n < 0) {
			lwsl_err("ERROR %d writing to mirror socket\n", n);
			return -1;
		}
		session->tail = (session->tail + 1) & (SLOTS - 1);
		if (behind(session) < SLOTS - 15)
			while (choked_count)
				libwebsocket_rx_flow_control(choked[--choked_count], 1);
		if (lws_send_pipe_choked(wsi)) {
			libwebsocket_callback_on_writable(context, wsi);
			break;
		}
	}
	return 0;
}

static int mirror_receive(struct libwebsocket *wsi,
			  const struct per_session_data__lws_mirror *session, const void *in,
			  size_t len)
{
	if (behind(session) == SLOTS - 1) {
		lwsl_err("dropping!\n");
		return 0;
	}
	free(ring[ring_head].payload);
	ring[ring_head].payload =
		malloc(LWS_SEND_BUFFER_PRE_PADDING + len + LWS_SEND_BUFFER_POST_PADDING);
	if (!ring[ring_head].payload)
		return -1;
	ring[ring_head].len = len;
	ring[ring_head].kind = lws_frame_is_binary(wsi) ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
	memcpy((char *)ring[ring_head].payload + LWS_SEND_BUFFER_PRE_PADDING, in, len);
	ring_head = (ring_head + 1) & (SLOTS - 1);
	if (behind(session) == SLOTS - 2 && choked_count < 20) {
		choked[choked_count++] = wsi;
		libwebsocket_rx_flow_control(wsi, 0);
	}
	libwebsocket_callback_on_writable_all_protocol(libwebsockets_get_protocol(wsi));
	return 0;
}

static int callback_lws_mirror(struct libwebsocket_context *context, struct libwebsocket *wsi,
			       enum libwebsocket_callback_reasons reason, void *user, void *in,
			       size_t len)
{
	struct per_session_data__lws_mirror *session =
		(struct per_session_data__lws_mirror *)user;
	int n;

	switch (reason) {
	case LWS_CALLBACK_ESTABLISHED:
		lwsl_info("callback_lws_mirror: LWS_CALLBACK_ESTABLISHED\n");
		session->tail = ring_head;
		session->wsi = wsi;
		break;
	case LWS_CALLBACK_PROTOCOL_DESTROY:
		lwsl_notice("mirror protocol cleaning up\n");
		for (n = 0; n < SLOTS; n++)
			free(ring[n].payload);
		break;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return mirror_write(context, wsi, session);
	case LWS_CALLBACK_RECEIVE:
		return mirror_receive(wsi, session, in, len);
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		dump_handshake_info(wsi);
		break;
	default:
		break;
	}
	return 0;
}

static struct libwebsocket_protocols protocols[] = {
	{ "http-only", callback_http, sizeof(struct per_session_data__http), 0, NULL, 0 },
	{ "dumb-increment-protocol", callback_dumb_increment,
	  sizeof(struct per_session_data__dumb_increment), 10, NULL, 0 },
	{ "lws-mirror-protocol", callback_lws_mirror, sizeof(struct per_session_data__lws_mirror),
	  128, NULL, 0 },
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
	{ "ssl", no_argument, NULL, 's' },
	{ "interface", required_argument, NULL, 'i' },
	{ "closetest", no_argument, NULL, 'c' },
	{ "daemonize", no_argument, NULL, 'D' },
	{ NULL, 0, NULL, 0 },
};

/* One turn of the loop, which lasts 50 ms at most. */
static int turn(struct libwebsocket_context *context)
{
#ifdef EXTERNAL_POLL
	int n = poll(polls, (nfds_t)poll_count, 50);

	if (n < 0)
		return -1;
	for (n = 0; n < poll_count; n++)
		if (polls[n].revents && libwebsocket_service_fd(context, &polls[n]) < 0)
			return -1;
	return 0;
#else
	return libwebsocket_service(context, 50);
#endif
}

static void serve(struct libwebsocket_context *context)
{
	struct timeval now;
	unsigned long then = 0, ms;

	do {
		gettimeofday(&now, NULL);
		ms = (unsigned long)now.tv_sec * 1000 + (unsigned long)now.tv_usec / 1000;
		if (ms - then > 50) {
			libwebsocket_callback_on_writable_all_protocol(
				&protocols[PROTOCOL_DUMB_INCREMENT]);
			then = ms;
		}
	} while (turn(context) >= 0 && !force_exit);
}

int main(int argc, char **argv)
{
	struct libwebsocket_context *context;
	struct lws_context_creation_info info;
	int n, use_ssl = 0, daemonize = 0, debug_level = 7, syslog_options = LOG_PID | LOG_PERROR;

	memset(&info, 0, sizeof(info));
	info.port = 7681;
	while ((n = getopt_long(argc, argv, "ci:hsp:d:D", options, NULL)) >= 0) {
		switch (n) {
		case 'D':
			daemonize = 1;
			syslog_options &= ~LOG_PERROR;
			break;
		case 'd':
			debug_level = atoi(optarg);
			break;
		case 's':
			use_ssl = 1;
			break;
		case 'p':
			info.port = atoi(optarg);
			break;
		case 'i':
			info.iface = optarg;
			break;
		case 'c':
			close_testing = 1;
			fprintf(stderr, " Close testing mode -- closes on client after 50 dumb "
					"increments and suppresses lws_mirror spam\n");
			break;
		default:
			fprintf(stderr, "Usage: test-server [--port=<p>] [--ssl] [-d <log bitfield>]\n");
			return 1;
		}
	}
	if (daemonize && lws_daemonize("/tmp/.lwsts-lock")) {
		fprintf(stderr, "Failed to daemonize\n");
		return 1;
	}
	signal(SIGINT, sighandler);
	setlogmask(LOG_UPTO(LOG_DEBUG));
	openlog("lwsts", syslog_options, LOG_DAEMON);
	lws_set_log_level(debug_level, lwsl_emit_syslog);
	lwsl_notice("libwebsockets test server, re-created for Sockeye\n");
#ifdef EXTERNAL_POLL
	poll_most = getdtablesize();
	polls = (struct pollfd *)malloc((size_t)poll_most * sizeof(*polls));
	if (!polls) {
		lwsl_err("Out of memory pollfds=%d\n", poll_most);
		return -1;
	}
#endif
	info.protocols = protocols;
	info.extensions = libwebsocket_get_internal_extensions();
	if (use_ssl) {
		info.ssl_cert_filepath = DATA "/libwebsockets-test-server.pem";
		info.ssl_private_key_filepath = DATA "/libwebsockets-test-server.key.pem";
	}
	info.gid = -1;
	info.uid = -1;
	context = libwebsocket_create_context(&info);
	if (!context) {
		lwsl_err("libwebsocket init failed\n");
#ifdef EXTERNAL_POLL
		free(polls);
#endif
		return -1;
	}
	serve(context);
	libwebsocket_context_destroy(context);
	lwsl_notice("libwebsockets-test-server exited cleanly\n");
	closelog();
#ifdef EXTERNAL_POLL
	free(polls);
#endif
	return 0;
}
