/*
 * libwebsockets-test-ping as the manual describes it: ping over WebSockets, with Ping frames or
 * through the mirror of a test server.
 */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <libwebsockets.h>

#define MAX_PING 125	  /* what a control frame holds */
#define MAX_MIRROR 4096	  /* what the mirror's buffer holds */
#define MAX_CLIENTS 100
#define MIN_PING 8	  /* the index */
#define FLIGHT 64	  /* pings whose answers are waited for, by client */

static volatile sig_atomic_t force_exit;
static unsigned int size = 64;
static int flood, through_mirror, write_options;
static double interval_us = 1000000;
static int clients = 1, open_clients, failed;
static char peer_name[128], peer_ip[64];

struct per_session_data__ping {
	unsigned long index;
	double sent_at[FLIGHT]; /* by index; 0: answered */
};

/* All times are in microseconds. */
static struct {
	unsigned long sent, received;
	double min, max, sum, begun;
} total;

static double now_us(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return (double)now.tv_sec * 1000000 + (double)now.tv_usec;
}

static int send_ping(struct libwebsocket *wsi, struct per_session_data__ping *session)
{
	unsigned char buffer[LWS_SEND_BUFFER_PRE_PADDING + MAX_MIRROR +
			     LWS_SEND_BUFFER_POST_PADDING];
	unsigned char *payload = &buffer[LWS_SEND_BUFFER_PRE_PADDING];
	int how = (through_mirror ? LWS_WRITE_BINARY : LWS_WRITE_PING) | write_options;
	int n;

	memset(payload, 0, size);
	session->index = (session->index + 1) & 0xffffffff; /* the upper half stays 0 */
	for (n = 0; n < 4; n++)
		payload[4 + n] = (unsigned char)(session->index >> (24 - 8 * n));
	session->sent_at[session->index % FLIGHT] = now_us();
	if (libwebsocket_write(wsi, payload, size, (enum libwebsocket_write_protocol)how) < 0)
		return -1;
	total.sent++;
	if (flood)
		fprintf(stderr, ".");
	return 0;
}

static void receive_pong(struct libwebsocket_context *context, struct libwebsocket *wsi,
			 struct per_session_data__ping *session, const unsigned char *in,
			 size_t len)
{
	unsigned long index = 0;
	double sent, took;
	int n;

	if (len < MIN_PING)
		return;
	for (n = 4; n < 8; n++)
		index = index << 8 | in[n];
	if (index > session->index || index + FLIGHT <= session->index)
		return; /* another's, or late */
	sent = session->sent_at[index % FLIGHT];
	if (sent <= 0)
		return; /* the mirror says what others say, too */
	session->sent_at[index % FLIGHT] = 0;
	took = now_us() - sent;
	if (!total.received++ || took < total.min)
		total.min = took;
	if (took > total.max)
		total.max = took;
	total.sum += took;
	if (flood) {
		fprintf(stderr, "\b \b");
		libwebsocket_callback_on_writable(context, wsi);
		return;
	}
	fprintf(stderr, "%u bytes from %s: req=%lu time=%lu.%lums\n", (unsigned int)len, peer_ip,
		index, (unsigned long)took / 1000, (unsigned long)took % 1000 / 100);
}

static int callback_ping(struct libwebsocket_context *context, struct libwebsocket *wsi,
			 enum libwebsocket_callback_reasons reason, void *user, void *in,
			 size_t len)
{
	struct per_session_data__ping *session = (struct per_session_data__ping *)user;

	switch (reason) {
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		if (!open_clients++) {
			libwebsockets_get_peer_addresses(context, wsi,
							 libwebsocket_get_socket_fd(wsi), peer_name,
							 sizeof(peer_name), peer_ip, sizeof(peer_ip));
			fprintf(stderr, "Websocket PING %s (%s) %u bytes of data.\n",
				peer_name[0] ? peer_name : peer_ip, peer_ip, size);
			total.begun = now_us();
		}
		libwebsocket_callback_on_writable(context, wsi);
		break;
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		fprintf(stderr, "Connection failed\n");
		failed = force_exit = 1;
		break;
	case LWS_CALLBACK_CLOSED:
		if (!--open_clients)
			force_exit = 1;
		break;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		if (through_mirror && libwebsocket_is_final_fragment(wsi))
			receive_pong(context, wsi, session, (const unsigned char *)in, len);
		break;
	case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
		receive_pong(context, wsi, session, (const unsigned char *)in, len);
		break;
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return send_ping(wsi, session);
	default:
		break;
	}
	return 0;
}

#if defined(LWS_FEATURE_PROTOCOLS_HAS_ID_FIELD)
#define FILLED_IN 0, NULL, NULL, 0
#elif defined(LWS_VISIBLE)
#define FILLED_IN 0, NULL, 0
#else
#define FILLED_IN NULL, 0
#endif

static struct libwebsocket_protocols protocols[] = {
	{ "lws-mirror-protocol", callback_ping, sizeof(struct per_session_data__ping), MAX_MIRROR,
	  FILLED_IN },
	{ NULL, NULL, 0, 0, FILLED_IN },
};

static void sighandler(int sig)
{
	(void)sig;
	force_exit = 1;
}

static void print_statistics(void)
{
	double elapsed = now_us() - total.begun;
	unsigned long lost = total.sent - total.received;

	fprintf(stderr, "\n--- %s websocket ping statistics using %d connections ---\n",
		peer_name[0] ? peer_name : peer_ip, clients);
	fprintf(stderr, "%lu packets transmitted, %lu received, %lu%% packet loss, time %lums\n",
		total.sent, total.received, total.sent ? lost * 100 / total.sent : 0,
		(unsigned long)elapsed / 1000);
	if (!total.received)
		return;
	fprintf(stderr, "rtt min/avg/max = %0.3f/%0.3f/%0.3f ms\n", total.min / 1000,
		total.sum / (double)total.received / 1000, total.max / 1000);
	fprintf(stderr, "payload bandwidth average %0.3f KiB/s\n",
		(double)total.received * size / 1024 / (elapsed / 1000000));
}

static void ping_until_told(struct libwebsocket_context *context)
{
	double then = now_us();

	while (!force_exit && libwebsocket_service(context, flood ? 1000 : 10) >= 0) {
		if (flood || now_us() - then < interval_us)
			continue;
		then = now_us();
		libwebsocket_callback_on_writable_all_protocol(&protocols[0]);
	}
}

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "debug", required_argument, NULL, 'd' },
	{ "port", required_argument, NULL, 'p' },
	{ "ssl", no_argument, NULL, 't' },
	{ "interval", required_argument, NULL, 'i' },
	{ "size", required_argument, NULL, 's' },
	{ "protocol", required_argument, NULL, 'n' },
	{ "flood", no_argument, NULL, 'f' },
	{ "mirror", no_argument, NULL, 'm' },
	{ "replicate", required_argument, NULL, 'r' },
	{ "killmask", no_argument, NULL, 'k' },
	{ "version", required_argument, NULL, 'v' },
	{ NULL, 0, NULL, 0 },
};

static int usage(void)
{
	fprintf(stderr,
		"Usage: libwebsockets-test-ping <server address> [--port=<p>] [--ssl] "
		"[--interval=<s>] [--size=<bytes>] [--protocol=<name>] [--flood] [--mirror] "
		"[--replicate=<clients>] [--killmask] [--version=<ver>] [-d <log bitfield>]\n");
	return 1;
}

int main(int argc, char **argv)
{
	struct lws_context_creation_info info;
	struct libwebsocket_context *context;
	int n, port = 7681, use_ssl = 0, version = -1, wanted = 64;
	const char *address;

	memset(&info, 0, sizeof(info));
	while ((n = getopt_long(argc, argv, "hd:p:ti:s:n:fmr:kv:", options, NULL)) >= 0) {
		switch (n) {
		case 'd':
			lws_set_log_level(atoi(optarg), NULL);
			break;
		case 'p':
			port = atoi(optarg);
			break;
		case 't':
			use_ssl = 2; /* certificates that signed themselves are good enough */
			break;
		case 'i':
			interval_us = 1000000 * atof(optarg);
			break;
		case 's':
			wanted = atoi(optarg);
			break;
		case 'n':
			protocols[0].name = optarg;
			break;
		case 'f':
			flood = 1;
			break;
		case 'm':
			through_mirror = 1;
			break;
		case 'r':
			clients = atoi(optarg);
			break;
		case 'k':
			write_options = LWS_WRITE_CLIENT_IGNORE_XOR_MASK;
			break;
		case 'v':
			version = atoi(optarg);
			break;
		default:
			return usage();
		}
	}
	if (optind >= argc)
		return usage();
	if (wanted < MIN_PING || wanted > (through_mirror ? MAX_MIRROR : MAX_PING)) {
		fprintf(stderr, "The size must be %d to %d\n", MIN_PING,
			through_mirror ? MAX_MIRROR : MAX_PING);
		return 1;
	}
	if (clients < 1 || clients > MAX_CLIENTS) {
		fprintf(stderr, "There must be 1 to %d clients\n", MAX_CLIENTS);
		return 1;
	}
	size = (unsigned int)wanted;
	address = argv[optind];
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.protocols = protocols;
	info.gid = -1;
	info.uid = -1;
	context = libwebsocket_create_context(&info);
	if (!context) {
		fprintf(stderr, "Creating libwebsocket context failed\n");
		return 1;
	}
	for (n = 0; n < clients; n++) {
		if (libwebsocket_client_connect(context, address, port, use_ssl, "/", address,
						"origin", protocols[0].name, version))
			continue;
		fprintf(stderr, "client connect failed\n");
		libwebsocket_context_destroy(context);
		return 1;
	}
	signal(SIGINT, sighandler);
	ping_until_told(context);
	if (!failed)
		print_statistics();
	libwebsocket_context_destroy(context);
	return failed;
}
