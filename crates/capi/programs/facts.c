/*
 * What the manual says that no other program here shows: values, texts and vetoes, with a client
 * and plain sockets of its own as the peers. Ends with 0 if it is so.
 *
 *     facts PORT
 */

#define _DEBUG /* for lwsl_hexdump */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <libwebsockets.h>

static int wrong, port, events;

#define EXPECT(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "WRONG in line %d: %s\n", __LINE__, #what); \
			wrong = 1; \
		} \
	} while (0)

/* The log */

static char logged[4000];
static int log_level, lines;

static void keep(int level, const char *line)
{
	log_level = level;
	lines++;
	if (strlen(logged) + strlen(line) < sizeof(logged))
		strcat(logged, line);
}

static void forget_log(void)
{
	logged[0] = 0;
	log_level = lines = 0;
}

static void check_log(void)
{
	char text[400];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	lws_set_log_level(LLL_ERR | LLL_NOTICE, keep);
	_lws_log(LLL_NOTICE, "%s", text);
	EXPECT(lines == 1 && log_level == LLL_NOTICE && strlen(logged) == 255);
	_lws_log(LLL_WARN, "left out");
	EXPECT(lines == 1);
	_lws_log(LLL_WARN | LLL_ERR, "both");
	EXPECT(lines == 2 && log_level == (LLL_WARN | LLL_ERR));
	lws_set_log_level(LLL_DEBUG, NULL); /* the emitter stays */
	forget_log();
	lwsl_err("left out");
	lwsl_hexdump((void *)"0123456789:;<=>?\n", 17);
	EXPECT(lines == 2 && log_level == LLL_DEBUG);
	EXPECT(!strcmp(logged, "0000: 30 31 32 33 34 35 36 37 38 39 3a 3b 3c 3d 3e 3f    "
			       "0123456789:;<=>?\n"
			       "0010: 0a                                                 .\n"));
	lws_set_log_level(0, NULL);
	forget_log();
	lwsl_err("left out");
	EXPECT(lines == 0);
	lws_set_log_level(LLL_ERR | LLL_WARN | LLL_NOTICE, NULL);
}

static void check_base64(void)
{
	static const struct { const char *text, *coded; } cases[] = {
		{ "", "" }, { "a", "YQ==" }, { "ab", "YWI=" }, { "abc", "YWJj" },
		{ "abcd", "YWJjZA==" }, { "\xfb\xff\xbf", "+/+/" },
	};
	char out[20];
	size_t n;

	for (n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
		int len = (int)strlen(cases[n].text), coded = (int)strlen(cases[n].coded);

		EXPECT(lws_b64_encode_string(cases[n].text, len, out, sizeof(out)) == coded);
		EXPECT(!strcmp(out, cases[n].coded));
		EXPECT(lws_b64_decode_string(cases[n].coded, out, sizeof(out)) == len);
		EXPECT(!strcmp(out, cases[n].text));
	}
	EXPECT(lws_b64_decode_string("YWJj", out, 3) == -1);
}

/* What the callbacks below see and do */

static struct {
	int filters_network, vetoes, refuses_file, established, client_established, received;
	int client_received, closed, errors, http, completed, of_null_name, vetoes_client;
	unsigned char reserved;
	char extension[40], offered[40];
} is;
static struct libwebsocket *last;
static char mine[64]; /* what a client brings along */
static const char *file;

static void check_headers(struct libwebsocket *wsi)
{
	char text[20] = "untouched";
	int n;

	EXPECT(lws_hdr_total_length(wsi, WSI_TOKEN_PROTOCOL) == 5); /* of three lines */
	EXPECT(lws_hdr_copy(wsi, text, 5, WSI_TOKEN_PROTOCOL) == -1 && !strcmp(text, "untouched"));
	EXPECT(lws_hdr_copy(wsi, text, 6, WSI_TOKEN_PROTOCOL) == 5 && !strcmp(text, "a b c"));
	EXPECT(lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_ORIGIN) == 4 &&
	       !strcmp(text, "here")); /* whose name was in small letters */
	for (n = 0; n < WSI_TOKEN_COUNT; n++)
		EXPECT(lws_hdr_total_length(wsi, (enum lws_token_indexes)n) < 20);
}

static int on_http(struct libwebsocket_context *context, struct libwebsocket *wsi, const char *uri)
{
	is.http++;
	last = wsi;
	if (!strcmp(uri, "/headers"))
		check_headers(wsi);
	return libwebsockets_serve_http_file(context, wsi,
					     strcmp(uri, "/none") ? file : "/no/such/file", "a/b");
}

static int callback_any(struct libwebsocket_context *context, struct libwebsocket *wsi,
			enum libwebsocket_callback_reasons reason, void *user, void *in,
			size_t len)
{
	events++;
	switch (reason) {
	case LWS_CALLBACK_PROTOCOL_INIT:
		EXPECT(libwebsocket_context_user(context) == &events);
		break;
	case LWS_CALLBACK_FILTER_NETWORK_CONNECTION:
		return is.filters_network;
	case LWS_CALLBACK_CONFIRM_EXTENSION_OKAY:
		EXPECT(wsi && len == 0);
		strncpy(is.extension, (const char *)in, sizeof(is.extension) - 1);
		return is.vetoes;
	case LWS_CALLBACK_CLIENT_CONFIRM_EXTENSION_SUPPORTED:
		EXPECT(wsi && len == 0);
		strncpy(is.offered, (const char *)in, sizeof(is.offered) - 1);
		return is.vetoes_client;
	case LWS_CALLBACK_ESTABLISHED:
		is.established++;
		is.of_null_name = libwebsockets_get_protocol(wsi)->name == NULL;
		last = wsi;
		break;
	case LWS_CALLBACK_RECEIVE:
		is.received++;
		is.reserved = libwebsocket_get_reserved_bits(wsi);
		return len == 3 && !memcmp(in, "end", 3) ? -1 : 0;
	case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
	case LWS_CALLBACK_CLIENT_RECEIVE:
	case LWS_CALLBACK_CLIENT_WRITEABLE:
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		EXPECT(user == mine);
		is.client_established += reason == LWS_CALLBACK_CLIENT_ESTABLISHED;
		is.client_received += reason == LWS_CALLBACK_CLIENT_RECEIVE;
		is.errors += reason == LWS_CALLBACK_CLIENT_CONNECTION_ERROR;
		break;
	case LWS_CALLBACK_CLOSED:
		is.closed++;
		break;
	case LWS_CALLBACK_HTTP:
		return on_http(context, wsi, (const char *)in);
	case LWS_CALLBACK_HTTP_FILE_COMPLETION:
		is.completed++;
		break;
	default:
		break;
	}
	return 0;
}

static struct libwebsocket_protocols protocols[] = {
	{ "facts", callback_any, 16, 0, NULL, 0 },
	{ NULL, callback_any, 16, 0, NULL, 0 },
	{ NULL, NULL, 0, 0, NULL, 0 },
};

static struct libwebsocket_context *create(int at, unsigned int options, int id)
{
	struct lws_context_creation_info info;

	memset(&info, 0, sizeof(info));
	info.port = at;
	info.iface = at ? "lo" : NULL; /* by its name */
	info.protocols = protocols;
	info.extensions = libwebsocket_get_internal_extensions();
	info.gid = id;
	info.uid = id;
	info.options = options;
	info.user = &events;
	return libwebsocket_create_context(&info);
}

static void serve(struct libwebsocket_context *context, const int *count, int until)
{
	int n;

	for (n = 0; n < 3000 && *count < until; n++)
		libwebsocket_service(context, 10);
	EXPECT(*count >= until);
}

/* Plain sockets as peers */

static int dial(const char *request)
{
	struct timeval patience = { 20, 0 };
	struct sockaddr_in address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_port = htons((unsigned short)port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	EXPECT(!connect(fd, (struct sockaddr *)&address, sizeof(address)));
	EXPECT(write(fd, request, strlen(request)) == (ssize_t)strlen(request));
	return fd;
}

/* All that has come by now, up to its end if that is told. */
static const char *answer(struct libwebsocket_context *context, int fd, const char *end)
{
	static char text[4000];
	size_t got = 0;
	ssize_t n = 1;
	int turns;

	memset(text, 0, sizeof(text));
	for (turns = 0; turns < 2000 && n && got < sizeof(text) - 1; turns++) {
		libwebsocket_service(context, 5);
		n = recv(fd, text + got, sizeof(text) - 1 - got, MSG_DONTWAIT);
		got += n > 0 ? (size_t)n : 0;
		if (end && strstr(text, end))
			break;
	}
	EXPECT(end ? strstr(text, end) != NULL : n == 0);
	return text;
}

#define UPGRADE \
	"Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define DEFLATE "Sec-WebSocket-Extensions: permessage-deflate\r\n"

static void check_extensions(struct libwebsocket_context *context)
{
	const char *head;
	int fd;

	is.received = is.closed = 0;
	fd = dial("GET / HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Protocol: facts\r\n" DEFLATE "\r\n");
	head = answer(context, fd, "\r\n\r\n");
	EXPECT(strstr(head, "\r\nSec-WebSocket-Extensions: permessage-deflate"));
	EXPECT(!strcmp(is.extension, "permessage-deflate") && !is.of_null_name);
	/* "Hello" as RFC 7692 has it, and as it is */
	EXPECT(write(fd, "\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\0", 13) == 13);
	serve(context, &is.received, 1);
	EXPECT(is.reserved == 0x40);
	EXPECT(write(fd, "\x81\x85\0\0\0\0Hello", 11) == 11);
	serve(context, &is.received, 2);
	EXPECT(is.reserved == 0);
	close(fd);
	serve(context, &is.closed, 1);
	is.vetoes = 1;
	/* without a word of a subprotocol: to the entry without a name */
	fd = dial("GET / HTTP/1.1\r\n" UPGRADE DEFLATE "\r\n");
	head = answer(context, fd, "\r\n\r\n");
	EXPECT(!strncmp(head, "HTTP/1.1 101 ", 13) && !strstr(head, "Extensions"));
	EXPECT(is.of_null_name);
	/* fed, as if they had come: in pieces, and then an end */
	EXPECT(libwebsocket_read(context, last, (unsigned char *)"\x81\x82\0\0", 4) == 0);
	EXPECT(is.received == 2);
	EXPECT(libwebsocket_read(context, last, (unsigned char *)"\0\0hi", 4) == 0);
	EXPECT(is.received == 3);
	EXPECT(libwebsocket_read(context, last, (unsigned char *)"\x81\x83\0\0\0\0end", 9) == -1);
	EXPECT(is.received == 4 && is.closed == 2);
	answer(context, fd, NULL);
	close(fd);
}

/* Text that is none comes as it is, unless the context was asked to check it. */
static void check_text(void)
{
	static const unsigned int options[] = { 0, LWS_SERVER_OPTION_VALIDATE_UTF8 };
	struct libwebsocket_context *context;
	size_t n;
	int fd;

	for (n = 0; n < 2; n++) {
		context = create(port, options[n], -1);
		EXPECT(context != NULL);
		is.received = 0;
		fd = dial("GET / HTTP/1.1\r\n" UPGRADE "\r\n");
		answer(context, fd, "\r\n\r\n");
		EXPECT(write(fd, "\x81\x81\0\0\0\0\xff\x81\x83\0\0\0\0end", 16) == 16);
		if (n == 0)
			EXPECT(!*answer(context, fd, NULL) && is.received == 2);
		else
			EXPECT(strstr(answer(context, fd, "\x03\xef"), "\x88") && !is.received);
		close(fd);
		libwebsocket_context_destroy(context);
	}
}

static void check_http(struct libwebsocket_context *context)
{
	const char *text;
	int fd, before;

	fd = dial("GET /none HTTP/1.1\r\n\r\n");
	text = answer(context, fd, NULL);
	EXPECT(!strcmp(text, "HTTP/1.0 400 Bad\r\nServer: libwebsockets\r\n\r\n"));
	close(fd);
	/* served, and the connection stays: it is asked again */
	is.http = is.completed = 0;
	fd = dial("GET /headers HTTP/1.1\r\nHost: me\r\nSec-WebSocket-Protocol: a\r\norigin: here\r\n"
		  "Sec-WebSocket-Protocol:  b\r\nSec-WebSocket-Protocol: c\r\n\r\n");
	answer(context, fd, "\r\n\r\nlocalhost\n");
	EXPECT(is.completed == 1);
	EXPECT(lws_hdr_total_length(last, WSI_TOKEN_PROTOCOL) == 0); /* no longer there */
	EXPECT(write(fd, "GET /again HTTP/1.1\r\n\r\n", 23) == 23);
	answer(context, fd, "\r\n\r\nlocalhost\n");
	EXPECT(is.http == 2 && is.completed == 2);
	close(fd);
	/* let nobody in: nothing is said, nothing is called */
	is.filters_network = 1;
	fd = dial("GET / HTTP/1.1\r\n\r\n");
	before = events;
	EXPECT(!*answer(context, fd, NULL));
	EXPECT(events >= before + 1 && is.http == 2);
	close(fd);
	is.filters_network = 0;
}

/* A client that brings its own memory along, which is neither zeroed nor freed. */
static void check_client(struct libwebsocket_context *context)
{
	struct libwebsocket *wsi;
	int n, closed = is.closed;

	memset(mine, 'm', sizeof(mine));
	is.established = 0;
	is.vetoes_client = 1;
	wsi = libwebsocket_client_connect_extended(context, "127.0.0.1", port, 0, "/", "a", "b",
						   "facts", -1, mine);
	EXPECT(wsi != NULL);
	EXPECT(!strcmp(is.offered, "permessage-deflate"));
	is.extension[0] = 0;
	serve(context, &is.client_established, 1);
	serve(context, &is.established, 1);
	EXPECT(!is.extension[0]); /* it was not offered */
	EXPECT(libwebsocket_write(last, (unsigned char *)"x", 1, LWS_WRITE_TEXT) == 1);
	EXPECT(libwebsocket_callback_on_writable(context, wsi) == 1);
	serve(context, &is.client_received, 1);
	libwebsocket_write(wsi, (unsigned char *)"end", 3, LWS_WRITE_TEXT);
	serve(context, &is.closed, closed + 2);
	/* refused: nobody has that subprotocol */
	wsi = libwebsocket_client_connect_extended(context, "127.0.0.1", port, 0, "/", "a", "b",
						   "other", -1, mine);
	EXPECT(wsi != NULL);
	serve(context, &is.errors, 1);
	for (n = 0; n < (int)sizeof(mine); n++)
		EXPECT(mine[n] == 'm');
}

static void check_hostname(void)
{
	struct libwebsocket_context *context = create(0, 0, -1);
	char name[200] = "";

	gethostname(name, sizeof(name) - 1);
	EXPECT(!strcmp(libwebsocket_canonical_hostname(context), name));
	libwebsocket_context_destroy(context);
	context = create(0, LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME, -1);
	EXPECT(!strcmp(libwebsocket_canonical_hostname(context), "unknown"));
	libwebsocket_context_destroy(context);
}

/* Another user from the context on, and one for whom that cannot be done. */
static void check_ids(void)
{
	int status = -1;

	if (geteuid()) {
		puts("not root: users are not changed");
		return;
	}
	if (!fork()) {
		EXPECT(create(0, 0, 65534) != NULL);
		EXPECT(getuid() == 65534 && geteuid() == 65534);
		EXPECT(getgid() == 65534 && getegid() == 65534);
		forget_log();
		EXPECT(create(0, 0, 1) != NULL);
		EXPECT(strstr(logged, "setgid: ") && strstr(logged, "setuid: "));
		exit(wrong);
	}
	wait(&status);
	EXPECT(WIFEXITED(status) && !WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
	struct libwebsocket_context *context;
	char listening[60];

	if (argc < 3)
		return 2;
	port = atoi(argv[1]);
	file = argv[2];
	check_log();
	check_base64();
	check_ids();
	check_hostname();
	check_text();
	/* an URL in http_proxy is none, as its port is 0: there is no proxy */
	setenv("http_proxy", "http://127.0.0.1:1/", 1);
	forget_log();
	context = create(port, 0, -1);
	EXPECT(context != NULL);
	EXPECT(!strncmp(logged, "Initial logging level 7\nLibrary version: 1.2 ", 45));
	sprintf(listening, " Listening on port %d\n", port);
	EXPECT(strstr(logged, listening));
	check_extensions(context);
	check_http(context);
	check_client(context);
	libwebsocket_context_destroy(context);
	EXPECT(libwebsocket_context_user(context) == NULL);
	puts(wrong ? "wrong" : "as the manual says");
	return wrong;
}
