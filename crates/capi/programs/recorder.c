/*
 * Prints every callback with its arguments, as server or as client, in the library's loop or in
 * its own:
 *
 *     recorder server PORT [external|built-in [WORD…]]
 *     recorder client PORT [external|built-in [early] [WORD…]]
 *
 * The words are members of the creation info, `cert=FILE`, `key=FILE`, `ca=FILE`, `ciphers=LIST`;
 * `clients`: clients must show a certificate; `more=FILE`: a further CA, named when asked for;
 * `refuse`: nobody's certificate is good enough; `ssl=N`: the ssl_connection of a client;
 * `address=NAME`: where that goes; `once`: a client writes after one call of
 * libwebsocket_service.
 *
 * What it receives is a command: `close` returns -1, `write` asks for WRITEABLE, `stop` and `go`
 * stop and resume receiving, `destroy` destroys the context inside the callback; everything else
 * is sent back from where it lies. With `early` a client asks for WRITEABLE at once. Ends by SIGINT, and as a client when its connection has ended.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libwebsockets.h>

#define MOST 64

static const char *const names[] = {
	"ESTABLISHED", "CLIENT_CONNECTION_ERROR", "CLIENT_FILTER_PRE_ESTABLISH",
	"CLIENT_ESTABLISHED", "CLOSED", "RECEIVE", "CLIENT_RECEIVE", "CLIENT_RECEIVE_PONG",
	"CLIENT_WRITEABLE", "SERVER_WRITEABLE", "HTTP", "HTTP_FILE_COMPLETION", "HTTP_WRITEABLE",
	"FILTER_NETWORK_CONNECTION", "FILTER_PROTOCOL_CONNECTION",
	"OPENSSL_LOAD_EXTRA_CLIENT_VERIFY_CERTS", "OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS",
	"OPENSSL_PERFORM_CLIENT_CERT_VERIFICATION", "CLIENT_APPEND_HANDSHAKE_HEADER",
	"CONFIRM_EXTENSION_OKAY", "CLIENT_CONFIRM_EXTENSION_SUPPORTED", "PROTOCOL_INIT",
	"PROTOCOL_DESTROY", "ADD_POLL_FD", "DEL_POLL_FD", "SET_MODE_POLL_FD", "CLEAR_MODE_POLL_FD",
};

struct session {
	unsigned char zeroes[40];
};

static volatile sig_atomic_t stopped;
static struct pollfd polls[MOST];
static int count;
static int external_loop;
static int listener_fd = -1, own_fd = -1;
static struct libwebsocket *stopped_wsi;
static const char *file;
static const char *more_cas;
static int refuses;
static int once;
static struct lws_context_creation_info info;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static struct pollfd *poll_of(int fd)
{
	int n;

	for (n = 0; n < count; n++)
		if (polls[n].fd == fd)
			return &polls[n];
	return NULL;
}

static void keep_polls(enum libwebsocket_callback_reasons reason, int fd, size_t len)
{
	struct pollfd *found = poll_of(fd);

	if (reason == LWS_CALLBACK_ADD_POLL_FD && count < MOST) {
		polls[count].fd = fd;
		polls[count].events = (short)len;
		polls[count++].revents = 0;
	} else if (!found) {
		printf("WRONG: %s for a descriptor that was not added\n", names[reason]);
	} else if (reason == LWS_CALLBACK_DEL_POLL_FD) {
		*found = polls[--count];
	} else if (reason == LWS_CALLBACK_SET_MODE_POLL_FD) {
		found->events |= (short)len;
	} else {
		found->events &= (short)~len;
	}
}

static const char *whose(int fd)
{
	return fd == own_fd ? "own" : fd == listener_fd ? "listener" : "connection";
}

/* What `user` is: nothing, memory that is all zero, or memory that has been written to. */
static const char *kind_of_memory(const void *user)
{
	static const struct session zero;

	if (!user)
		return "null";
	return memcmp(user, &zero, sizeof(zero)) ? "used" : "zeroed";
}

static int on_receive(struct libwebsocket_context *context, struct libwebsocket *wsi, char *in,
		      size_t len)
{
	printf("  \"%.20s\" remaining %u final %d binary %d\n", in,
	       (unsigned)libwebsockets_remaining_packet_payload(wsi),
	       libwebsocket_is_final_fragment(wsi), lws_frame_is_binary(wsi));
	if (!strcmp(in, "close"))
		return -1;
	if (!strcmp(in, "destroy")) {
		libwebsocket_context_destroy(context);
		stopped = 2;
		return 0;
	}
	if (!strcmp(in, "write")) {
		printf("  asked: %d\n", libwebsocket_callback_on_writable(context, wsi));
	} else if (!strcmp(in, "stop")) {
		libwebsocket_rx_flow_control(wsi, 0);
		stopped_wsi = wsi;
	} else if (!strcmp(in, "go") && stopped_wsi) {
		libwebsocket_rx_flow_control(stopped_wsi, 1);
	} else {
		printf("  sent: %d\n",
		       libwebsocket_write(wsi, (unsigned char *)in, len, LWS_WRITE_TEXT));
	}
	return 0;
}

static int on_certificate(const struct sockeye_certificate *certificate)
{
	size_t n, sum = 0;

	for (n = 0; n < certificate->der_len; n++)
		sum += certificate->der[n];
	printf(" \"%s\" of \"%s\", name %s, %s DER\n", certificate->subject,
	       certificate->issuer, certificate->common_name ? certificate->common_name : "none",
	       certificate->der_len > 100 && certificate->der[0] == 0x30 && sum ? "good" : "bad");
	return refuses;
}

static int record(int protocol, struct libwebsocket_context *context, struct libwebsocket *wsi,
		  enum libwebsocket_callback_reasons reason, void *user, void *in, size_t len)
{
	char text[100];
	int fd = (int)(long)in;

	switch (reason) {
	case LWS_CALLBACK_ADD_POLL_FD:
		if (own_fd < 0)
			own_fd = fd;
		else if (listener_fd == -1)
			listener_fd = fd;
		/* fall through */
	case LWS_CALLBACK_DEL_POLL_FD:
	case LWS_CALLBACK_SET_MODE_POLL_FD:
	case LWS_CALLBACK_CLEAR_MODE_POLL_FD:
		printf("p%d %s %s %u\n", protocol, names[reason], whose(fd), (unsigned)len);
		keep_polls(reason, fd, len);
		return 0;
	case LWS_CALLBACK_FILTER_NETWORK_CONNECTION:
		printf("p%d %s fd %s wsi %s\n", protocol, names[reason], fd > 2 ? "good" : "bad",
		       libwebsocket_get_socket_fd(wsi) == listener_fd ? "listener" : "other");
		return 0;
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		printf("p%d %s user \"%s\"", protocol, names[reason], user ? (char *)user : "null");
		if (lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_GET_URI) > 0)
			printf(" uri %s", text);
		printf("\n");
		return lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) == 5; /* /deny */
	case LWS_CALLBACK_OPENSSL_PERFORM_CLIENT_CERT_VERIFICATION:
		printf("p%d %s wsi %s user %s len %u", protocol, names[reason],
		       wsi ? "set" : "null", user ? "set" : "null", (unsigned)len);
		return on_certificate((const struct sockeye_certificate *)in);
	default:
		break;
	}
	printf("p%d %s wsi %s user %s len %u\n", protocol, names[reason], wsi ? "set" : "null",
	       kind_of_memory(user), (unsigned)len);
	switch (reason) {
	case LWS_CALLBACK_ESTABLISHED:
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		if (user)
			memset(user, 1, sizeof(struct session));
		if (reason == LWS_CALLBACK_CLIENT_ESTABLISHED)
			libwebsocket_write(wsi, (unsigned char *)"hello", 5, LWS_WRITE_TEXT);
		break;
	case LWS_CALLBACK_RECEIVE:
	case LWS_CALLBACK_CLIENT_RECEIVE:
		return on_receive(context, wsi, (char *)in, len);
	case LWS_CALLBACK_SERVER_WRITEABLE:
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		libwebsocket_write(wsi, (unsigned char *)"writable", 8, LWS_WRITE_TEXT);
		break;
	case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_CLIENT_VERIFY_CERTS:
	case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
		if (*(const char **)in)
			printf("WRONG: a CA is named already\n");
		*(const char **)in = more_cas;
		break;
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
		*(char **)in += sprintf(*(char **)in, "X-Added: by the program\r\n");
		break;
	case LWS_CALLBACK_CLOSED:
		if (libwebsocket_get_socket_fd(wsi) < 0)
			printf("WRONG: no descriptor in CLOSED\n");
		if (listener_fd == -2)
			stopped = 1; /* a client has one connection */
		break;
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		stopped = 1;
		break;
	case LWS_CALLBACK_HTTP:
		printf("  %s\n", (char *)in);
		return libwebsockets_serve_http_file(context, wsi, file, "text/plain");
	case LWS_CALLBACK_HTTP_FILE_COMPLETION:
		return -1;
	default:
		break;
	}
	return 0;
}

static int callback_0(struct libwebsocket_context *context, struct libwebsocket *wsi,
		      enum libwebsocket_callback_reasons reason, void *user, void *in, size_t len)
{
	return record(0, context, wsi, reason, user, in, len);
}

static int callback_1(struct libwebsocket_context *context, struct libwebsocket *wsi,
		      enum libwebsocket_callback_reasons reason, void *user, void *in, size_t len)
{
	return record(1, context, wsi, reason, user, in, len);
}

static struct libwebsocket_protocols protocols[] = {
	{ "http-only", callback_0, 0, 0, NULL, 0 },
	{ "record", callback_1, sizeof(struct session), 20, NULL, 0 },
	{ NULL, NULL, 0, 0, NULL, 0 },
};

static int turn(struct libwebsocket_context *context)
{
	int n;

	if (!external_loop)
		return libwebsocket_service(context, 1000);
	if (poll(polls, (nfds_t)count, 1000) < 0)
		return -1;
	for (n = 0; n < count && !stopped; n++)
		if (polls[n].revents && libwebsocket_service_fd(context, &polls[n]) < 0)
			return -1;
	return 0;
}

/* The value of a word that begins with `name`. */
static const char *value_of(const char *word, const char *name)
{
	size_t length = strlen(name);

	return strncmp(word, name, length) ? NULL : word + length;
}

/* Reads the words after the mode. */
static void read_words(char **words, const char **address, int *ssl, int *early)
{
	const char *value;

	for (; *words; words++) {
		if ((value = value_of(*words, "cert=")))
			info.ssl_cert_filepath = value;
		else if ((value = value_of(*words, "key=")))
			info.ssl_private_key_filepath = value;
		else if ((value = value_of(*words, "ca=")))
			info.ssl_ca_filepath = value;
		else if ((value = value_of(*words, "ciphers=")))
			info.ssl_cipher_list = value;
		else if ((value = value_of(*words, "more=")))
			more_cas = value;
		else if ((value = value_of(*words, "ssl=")))
			*ssl = atoi(value);
		else if ((value = value_of(*words, "address=")))
			*address = value;
		else if (!strcmp(*words, "clients"))
			info.options |= LWS_SERVER_OPTION_REQUIRE_VALID_OPENSSL_CLIENT_CERT;
		else if (!strcmp(*words, "refuse"))
			refuses = 1;
		else if (!strcmp(*words, "early"))
			*early = 1;
		else if (!strcmp(*words, "once"))
			once = 1;
		else
			printf("WRONG: %s is no word\n", *words);
	}
}

int main(int argc, char **argv)
{
	struct libwebsocket_context *context;
	int port = argc > 2 ? atoi(argv[2]) : 7681;
	int client = argc > 1 && !strcmp(argv[1], "client");
	int ssl = 0, early = 0;
	const char *address = "127.0.0.1";
	struct libwebsocket *wsi = NULL;

	setvbuf(stdout, NULL, _IOLBF, 0);
	external_loop = argc > 3 && !strcmp(argv[3], "external");
	if (argc > 4)
		read_words(argv + 4, &address, &ssl, &early);
	file = argv[0];
	info.port = client ? CONTEXT_PORT_NO_LISTEN : port;
	info.protocols = protocols;
	info.gid = -1;
	info.uid = -1;
	signal(SIGINT, on_signal);
	if (client) {
		protocols[1].name = "client-record";
		listener_fd = -2;
	}
	context = libwebsocket_create_context(&info);
	if (!context)
		return 1;
	if (protocols[1].owning_server != context || protocols[1].protocol_index != 1)
		printf("WRONG: the protocol array was not filled in\n");
	if (client && !(wsi = libwebsocket_client_connect(context, address, port, ssl, "/path",
							  "host:1", "origin", "client-record",
							  -1))) {
		libwebsocket_context_destroy(context);
		return 2;
	}
	if (client)
		printf("connect has returned\n");
	if (early)
		printf("asked: %d\n", libwebsocket_callback_on_writable(context, wsi));
	if (once) {
		printf("serviced: %d\n", libwebsocket_service(context, 5000));
		printf("written: %d\n",
		       libwebsocket_write(wsi, (unsigned char *)"at once", 7, LWS_WRITE_TEXT));
	}
	while (!stopped && turn(context) >= 0)
		;
	if (stopped != 2)
		libwebsocket_context_destroy(context);
	printf("polls left: %d\n", count);
	return 0;
}
