/*
 * Calls what the manual has from wherever programs call it, and checks what comes of it, at both
 * ends: a plain socket of its own is the peer. Ends with 0 if all is as the manual says.
 *
 *     calls PORT FILE
 *
 * FILE is one to serve, larger than what sockets hold.
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <libwebsockets.h>

static int wrong, port, peer_fd, established, received, completed, http_ended;
static struct libwebsocket *last;
static const char *file;
static struct { unsigned int len, remaining, final; } pieces[8];

#define EXPECT(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "WRONG in line %d: %s\n", __LINE__, #what); \
			wrong = 1; \
		} \
	} while (0)

/* What the peer gets without a further turn of the loop must be this. */
static void expect_bytes(int line, const char *expected, size_t len)
{
	char found[300];
	struct timeval patience = { 20, 0 };
	ssize_t n;

	setsockopt(peer_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	n = recv(peer_fd, found, len, MSG_WAITALL);

	if (n == (ssize_t)len && !memcmp(found, expected, len))
		return;
	fprintf(stderr, "WRONG in line %d: %d bytes, not %d\n", line, (int)n, (int)len);
	wrong = 1;
}

#define EXPECT_BYTES(text) expect_bytes(__LINE__, text, sizeof(text) - 1)

/* Writes "abc" from a buffer without a byte to spare, which stays as it is. */
static int write_abc(struct libwebsocket *wsi, int mode)
{
	char *buffer = (char *)malloc(3);
	int n;

	memcpy(buffer, "abc", 3);
	n = libwebsocket_write(wsi, (unsigned char *)buffer, 3,
			       (enum libwebsocket_write_protocol)mode);
	EXPECT(!memcmp(buffer, "abc", 3));
	free(buffer);
	return n;
}

/* All modes, in an order that is good for a peer, and that it has them when we are choked or not. */
static void write_all(struct libwebsocket *wsi)
{
	EXPECT(write_abc(wsi, LWS_WRITE_TEXT) == 3);
	EXPECT(write_abc(wsi, LWS_WRITE_BINARY) == 3);
	EXPECT(write_abc(wsi, LWS_WRITE_PING) == 3);
	EXPECT(write_abc(wsi, LWS_WRITE_PONG) == 3);
	EXPECT(write_abc(wsi, LWS_WRITE_TEXT | LWS_WRITE_NO_FIN) == 3);
	EXPECT(write_abc(wsi, LWS_WRITE_CONTINUATION | LWS_WRITE_NO_FIN) == 3);
	EXPECT(write_abc(wsi, LWS_WRITE_CONTINUATION | LWS_WRITE_CLIENT_IGNORE_XOR_MASK) == 3);
	EXPECT(write_abc(wsi, LWS_WRITE_HTTP) == -1);
	EXPECT(write_abc(wsi, 9) == -1);
	EXPECT(libwebsocket_write(wsi, (unsigned char *)"x", 0, LWS_WRITE_TEXT) == 0);
	EXPECT(lws_send_pipe_choked(wsi) == 0); /* sends them first */
	EXPECT_BYTES("\x81\x03" "abc" "\x82\x03" "abc" "\x89\x03" "abc" "\x8a\x03" "abc"
		     "\x01\x03" "abc" "\x00\x03" "abc" "\x80\x03" "abc");
}

static void check_options(int fd)
{
	int n = 0;
	socklen_t len = sizeof(n);

	EXPECT(!getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &n, &len) && n);
	EXPECT(!getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &n, &len) && n == 77);
	EXPECT(!getsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &n, &len) && n == 7);
	EXPECT(!getsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &n, &len) && n == 5);
	EXPECT(!getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &n, &len) && n);
}

static void check_address(struct libwebsocket_context *context, int fd)
{
	char name[100] = "x", rip[100] = "x", little[4] = "xxx";

	libwebsockets_get_peer_addresses(context, NULL, fd, name, sizeof(name), rip, sizeof(rip));
	EXPECT(!strcmp(rip, "127.0.0.1") && strcmp(name, "x"));
	libwebsockets_get_peer_addresses(context, NULL, fd, NULL, 0, little, sizeof(little));
	EXPECT(!strcmp(little, "127"));
	libwebsockets_get_peer_addresses(context, NULL, -1, name, sizeof(name), rip, sizeof(rip));
	EXPECT(!*name && !*rip);
}

static int on_receive(struct libwebsocket *wsi, unsigned char *in, size_t len)
{
	size_t n;

	if (received < 8) {
		pieces[received].len = (unsigned int)len;
		pieces[received].remaining =
			(unsigned int)libwebsockets_remaining_packet_payload(wsi);
		pieces[received].final = (unsigned int)libwebsocket_is_final_fragment(wsi);
	}
	received++;
	EXPECT(in[len] == 0);
	/* the padding is the program's, before and after */
	for (n = 0; n < LWS_SEND_BUFFER_PRE_PADDING; n++)
		in[-1 - (long)n] = 0xee;
	for (n = 0; n < LWS_SEND_BUFFER_POST_PADDING; n++)
		in[len + n] = 0xee;
	if (len == 1)
		write_all(wsi);
	return 0;
}

static int callback_any(struct libwebsocket_context *context, struct libwebsocket *wsi,
			enum libwebsocket_callback_reasons reason, void *user, void *in,
			size_t len)
{
	switch (reason) {
	case LWS_CALLBACK_FILTER_NETWORK_CONNECTION:
		EXPECT(!user && !len);
		check_address(context, (int)(long)in);
		break;
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		EXPECT(write_abc(wsi, LWS_WRITE_TEXT) == -1);
		break;
	case LWS_CALLBACK_ESTABLISHED:
		EXPECT(user && (uintptr_t)user % 16 == 0 && *(char *)user == 0);
		established++;
		last = wsi;
		check_options(libwebsocket_get_socket_fd(wsi));
		check_address(context, libwebsocket_get_socket_fd(wsi));
		EXPECT(write_abc(wsi, LWS_WRITE_TEXT) == 3);
		break;
	case LWS_CALLBACK_RECEIVE:
		return on_receive(wsi, (unsigned char *)in, len);
	case LWS_CALLBACK_SERVER_WRITEABLE:
		write_all(wsi);
		break;
	case LWS_CALLBACK_CLOSED:
		EXPECT(write_abc(wsi, LWS_WRITE_TEXT) == -1);
		last = NULL;
		break;
	case LWS_CALLBACK_HTTP:
		EXPECT(write_abc(wsi, LWS_WRITE_TEXT) == -1);
		EXPECT(write_abc(wsi, LWS_WRITE_HTTP) == 3);
		last = wsi;
		return libwebsockets_serve_http_file(context, wsi, file, "a/b");
	case LWS_CALLBACK_HTTP_FILE_COMPLETION:
		completed++;
		return 5;
	case LWS_CALLBACK_DEL_POLL_FD:
		http_ended++;
		break;
	default:
		break;
	}
	return 0;
}

/* As programs of the time write it: by position. */
static struct libwebsocket_protocols protocols[] = {
	{ "calls", callback_any, 100, 0, NULL, 0 },
	{ NULL, NULL, 0, 0, NULL, 0 },
};

static void dial(const char *request)
{
	struct sockaddr_in address;

	peer_fd = socket(AF_INET, SOCK_STREAM, 0);
	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_port = htons((unsigned short)port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	EXPECT(!connect(peer_fd, (struct sockaddr *)&address, sizeof(address)));
	EXPECT(write(peer_fd, request, strlen(request)) == (ssize_t)strlen(request));
}

static void serve(struct libwebsocket_context *context, const int *count, int until)
{
	int n;

	for (n = 0; n < 3000 && *count < until; n++)
		libwebsocket_service(context, 10);
	EXPECT(*count >= until);
}

static void check_websocket(struct libwebsocket_context *context)
{
	static unsigned char frame[10008] = "\x82\xfe\x27\x10"; /* 10000 bytes, masked by zeroes */
	char found[1000];
	ssize_t n;

	dial("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
	     "Sec-WebSocket-Protocol: calls\r\n\r\n");
	serve(context, &established, 1);
	n = recv(peer_fd, found, sizeof(found), 0);
	EXPECT(n > 9 && !memcmp(found, "HTTP/1.1 101 ", 13));
	EXPECT(n > 9 && !memcmp(found + n - 9, "\r\n\r\n\x81\x03" "abc", 9));
	/* inside RECEIVE */
	EXPECT(write(peer_fd, "\x81\x81\0\0\0\0x", 7) == 7);
	serve(context, &received, 1);
	/* outside of all callbacks: at once, without a turn of the loop */
	EXPECT(write_abc(last, LWS_WRITE_TEXT) == 3);
	EXPECT_BYTES("\x81\x03" "abc");
	write_all(last);
	/* inside WRITEABLE */
	EXPECT(libwebsocket_callback_on_writable(context, last) == 1);
	libwebsocket_service(context, 1000);
	/* pieces of what 0 stands for */
	received = 0;
	EXPECT(write(peer_fd, frame, sizeof(frame)) == sizeof(frame));
	serve(context, &received, 3);
	EXPECT(received == 3);
	EXPECT(pieces[0].len == 4096 && pieces[0].remaining == 5904 && !pieces[0].final);
	EXPECT(pieces[1].len == 4096 && pieces[1].remaining == 1808 && !pieces[1].final);
	EXPECT(pieces[2].len == 1808 && pieces[2].remaining == 0 && pieces[2].final);
	EXPECT(write_abc(last, LWS_WRITE_CLOSE) == 3);
	EXPECT_BYTES("\x88\x03" "abc");
	close(peer_fd);
	for (n = 0; n < 500 && last; n++)
		libwebsocket_service(context, 10);
	EXPECT(!last);
}

/* A file that chokes, and goes on by hand. */
static void check_file(struct libwebsocket_context *context)
{
	static char buffer[1 << 20];
	unsigned long sum = 0, whole;
	struct stat about;
	ssize_t n;
	int calls = 0, result = 0;

	EXPECT(!stat(file, &about));
	/* "abc", the head, the file */
	n = sprintf(buffer, "abcHTTP/1.0 200 OK\r\nServer: libwebsockets\r\nContent-Type: a/b\r\n"
			    "Content-Length: %lu\r\n\r\n", (unsigned long)about.st_size);
	whole = (unsigned long)about.st_size + (unsigned long)n;
	http_ended = 0;
	dial("GET /file HTTP/1.1\r\n\r\n");
	while (!last && calls++ < 500)
		libwebsocket_service(context, 10);
	EXPECT(last && !completed);
	EXPECT(libwebsockets_serve_http_file_fragment(NULL, last) == 1);
	for (calls = 0; calls < 100000 && !completed; calls++) {
		n = recv(peer_fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		sum += n > 0 ? (unsigned long)n : 0;
		result = libwebsockets_serve_http_file_fragment(context, last);
		EXPECT(completed || result == 0);
	}
	EXPECT(completed == 1 && result == 5);
	printf("the file took %s\n", calls > 2 ? "several calls" : "one call: too small a file");
	EXPECT(libwebsockets_serve_http_file_fragment(context, last) == 1);
	/* what was handed to the socket may still wait in the library */
	for (calls = 0; calls < 30000 && sum < whole; calls++) {
		while ((n = recv(peer_fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
			sum += (unsigned long)n;
		libwebsocket_service(context, sum < whole ? 10 : 0);
	}
	EXPECT(shutdown(peer_fd, SHUT_WR) == 0);
	serve(context, &http_ended, 1);
	printf("%lu bytes came\n", sum);
	EXPECT(libwebsockets_serve_http_file_fragment(context, last) == 1);
	close(peer_fd);
}

static void check_helpers(void)
{
	static const unsigned char digest[] =
		"\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e\x25\x71\x78\x50\xc2\x6c\x9c\xd0\xd8\x9d";
	unsigned char md[20];

	EXPECT(libwebsockets_SHA1((const unsigned char *)"abc", 3, md) == md);
	EXPECT(!memcmp(md, digest, 20));
	EXPECT(!strncmp(lws_get_library_version(), "1.2 ", 4));
}

int main(int argc, char **argv)
{
	struct lws_context_creation_info info;
	struct libwebsocket_context *context;

	if (argc < 3)
		return 2;
	port = atoi(argv[1]);
	file = argv[2];
	check_helpers();
	memset(&info, 0, sizeof(info));
	info.port = port;
	info.protocols = protocols;
	info.gid = -1;
	info.uid = -1;
	info.ka_time = 77;
	info.ka_probes = 5;
	info.ka_interval = 7;
	context = libwebsocket_create_context(&info);
	EXPECT(context != NULL);
	check_websocket(context);
	check_file(context);
	libwebsocket_context_destroy(context);
	puts(wrong ? "wrong" : "as the manual says");
	return wrong;
}
