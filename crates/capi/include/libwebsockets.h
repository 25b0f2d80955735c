/*
 * libwebsockets.h: the API of the libwebsockets manual of 2013-02-22, over Sockeye.
 *
 * Written for Sockeye from the manual; no part of it is libwebsockets' own. MIT or Apache-2.0.
 *
 * A `struct libwebsocket *` and a `struct libwebsocket_context *` are numbers that are checked at
 * every call, not addresses: one that is stale or made up gets the documented error, and a line in
 * the log. A context belongs to the thread that first services it; other threads may call
 * libwebsocket_callback_on_writable and libwebsocket_callback_on_writable_all_protocol, the latter
 * also from signal handlers.
 */

#ifndef SOCKEYE_LIBWEBSOCKETS_H
#define SOCKEYE_LIBWEBSOCKETS_H

#include <assert.h>
#include <poll.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef LWS_EXTERN
#define LWS_EXTERN extern
#endif

/* What libwebsocket_client_connect and the creation info take for "do not listen". */
#define CONTEXT_PORT_NO_LISTEN 0

#define MAX_MUX_RECURSION 2

/*
 * Room around a buffer that libwebsocket_write once wrote to. It is not touched any more; buffers
 * with it and without are the same.
 */
#define LWS_SEND_BUFFER_PRE_PADDING (4 + 10 + (2 * MAX_MUX_RECURSION))
#define LWS_SEND_BUFFER_POST_PADDING 4

/* Logging */

enum lws_log_levels {
	LLL_ERR = 1 << 0,
	LLL_WARN = 1 << 1,
	LLL_NOTICE = 1 << 2,
	LLL_INFO = 1 << 3,
	LLL_DEBUG = 1 << 4,
	LLL_PARSER = 1 << 5,
	LLL_HEADER = 1 << 6,
	LLL_EXT = 1 << 7,
	LLL_CLIENT = 1 << 8,
	LLL_LATENCY = 1 << 9,

	LLL_COUNT = 10 /* how many there are */
};

/* Emits a message of up to 255 bytes if one of the levels in `filter` is on. */
LWS_EXTERN void _lws_log(int filter, const char *format, ...)
#if defined(__GNUC__)
	__attribute__((format(printf, 2, 3)))
#endif
	;

/* Sets the levels; and where messages go, unless that is NULL. At first ERR, WARN and NOTICE go to
 * stderr. For the whole process. */
LWS_EXTERN void lws_set_log_level(int level,
				  void (*log_emit_function)(int level, const char *line));

/* To be given to lws_set_log_level: messages go to syslog. */
LWS_EXTERN void lwsl_emit_syslog(int level, const char *line);

/* Before C99 and C++11 a macro with `...` is an extension, which every compiler here has. */
#if defined(__GNUC__) && \
	((defined(__cplusplus) && __cplusplus < 201103L) || \
	 (!defined(__cplusplus) && (!defined(__STDC_VERSION__) || __STDC_VERSION__ < 199901L)))
#include "libwebsockets-log.h"
#else
#define lwsl_err(...) _lws_log(LLL_ERR, __VA_ARGS__)
#define lwsl_warn(...) _lws_log(LLL_WARN, __VA_ARGS__)
#define lwsl_notice(...) _lws_log(LLL_NOTICE, __VA_ARGS__)
#ifdef _DEBUG
#define lwsl_info(...) _lws_log(LLL_INFO, __VA_ARGS__)
#define lwsl_debug(...) _lws_log(LLL_DEBUG, __VA_ARGS__)
#define lwsl_parser(...) _lws_log(LLL_PARSER, __VA_ARGS__)
#define lwsl_header(...) _lws_log(LLL_HEADER, __VA_ARGS__)
#define lwsl_ext(...) _lws_log(LLL_EXT, __VA_ARGS__)
#define lwsl_client(...) _lws_log(LLL_CLIENT, __VA_ARGS__)
#define lwsl_latency(...) _lws_log(LLL_LATENCY, __VA_ARGS__)
#else
#define lwsl_info(...)
#define lwsl_debug(...)
#define lwsl_parser(...)
#define lwsl_header(...)
#define lwsl_ext(...)
#define lwsl_client(...)
#define lwsl_latency(...)
#endif
#endif

#ifdef _DEBUG
/* Prints memory at the debug level. */
LWS_EXTERN void lwsl_hexdump(void *buf, size_t len);
#else
#define lwsl_hexdump(a, b)
#endif

/* Constants */

enum libwebsocket_context_options {
	LWS_SERVER_OPTION_REQUIRE_VALID_OPENSSL_CLIENT_CERT = 2,
	LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME = 4,
	/* Sockeye: close connections whose text is not UTF-8, with 1007. */
	LWS_SERVER_OPTION_VALIDATE_UTF8 = 65536
};

enum libwebsocket_callback_reasons {
	LWS_CALLBACK_ESTABLISHED,
	LWS_CALLBACK_CLIENT_CONNECTION_ERROR,
	LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH,
	LWS_CALLBACK_CLIENT_ESTABLISHED,
	LWS_CALLBACK_CLOSED,
	LWS_CALLBACK_RECEIVE,
	LWS_CALLBACK_CLIENT_RECEIVE,
	LWS_CALLBACK_CLIENT_RECEIVE_PONG,
	LWS_CALLBACK_CLIENT_WRITEABLE,
	LWS_CALLBACK_SERVER_WRITEABLE,
	LWS_CALLBACK_HTTP,
	LWS_CALLBACK_HTTP_FILE_COMPLETION,
	LWS_CALLBACK_HTTP_WRITEABLE,
	LWS_CALLBACK_FILTER_NETWORK_CONNECTION,
	LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION,
	LWS_CALLBACK_OPENSSL_LOAD_EXTRA_CLIENT_VERIFY_CERTS,
	LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS,
	LWS_CALLBACK_OPENSSL_PERFORM_CLIENT_CERT_VERIFICATION,
	LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER,
	LWS_CALLBACK_CONFIRM_EXTENSION_OKAY,
	LWS_CALLBACK_CLIENT_CONFIRM_EXTENSION_SUPPORTED,
	LWS_CALLBACK_PROTOCOL_INIT,
	LWS_CALLBACK_PROTOCOL_DESTROY,
	LWS_CALLBACK_ADD_POLL_FD,
	LWS_CALLBACK_DEL_POLL_FD,
	LWS_CALLBACK_SET_MODE_POLL_FD,
	LWS_CALLBACK_CLEAR_MODE_POLL_FD
};

#ifndef LWS_NO_EXTENSIONS
/* None of these is called: permessage-deflate lies inside the library. */
enum libwebsocket_extension_callback_reasons {
	LWS_EXT_CALLBACK_SERVER_CONTEXT_CONSTRUCT,
	LWS_EXT_CALLBACK_CLIENT_CONTEXT_CONSTRUCT,
	LWS_EXT_CALLBACK_SERVER_CONTEXT_DESTRUCT,
	LWS_EXT_CALLBACK_CLIENT_CONTEXT_DESTRUCT,
	LWS_EXT_CALLBACK_CONSTRUCT,
	LWS_EXT_CALLBACK_CLIENT_CONSTRUCT,
	LWS_EXT_CALLBACK_CHECK_OK_TO_REALLY_CLOSE,
	LWS_EXT_CALLBACK_CHECK_OK_TO_PROPOSE_EXTENSION,
	LWS_EXT_CALLBACK_DESTROY,
	LWS_EXT_CALLBACK_DESTROY_ANY_WSI_CLOSING,
	LWS_EXT_CALLBACK_ANY_WSI_ESTABLISHED,
	LWS_EXT_CALLBACK_PACKET_RX_PREPARSE,
	LWS_EXT_CALLBACK_PACKET_TX_PRESEND,
	LWS_EXT_CALLBACK_PACKET_TX_DO_SEND,
	LWS_EXT_CALLBACK_HANDSHAKE_REPLY_TX,
	LWS_EXT_CALLBACK_FLUSH_PENDING_TX,
	LWS_EXT_CALLBACK_EXTENDED_PAYLOAD_RX,
	LWS_EXT_CALLBACK_CAN_PROXY_CLIENT_CONNECTION,
	LWS_EXT_CALLBACK_1HZ,
	LWS_EXT_CALLBACK_REQUEST_ON_WRITEABLE,
	LWS_EXT_CALLBACK_IS_WRITEABLE,
	LWS_EXT_CALLBACK_PAYLOAD_TX,
	LWS_EXT_CALLBACK_PAYLOAD_RX
};
#endif

enum libwebsocket_write_protocol {
	LWS_WRITE_TEXT,
	LWS_WRITE_BINARY,
	LWS_WRITE_CONTINUATION,
	LWS_WRITE_HTTP,
	LWS_WRITE_CLOSE,
	LWS_WRITE_PING,
	LWS_WRITE_PONG,

	/* flags */
	LWS_WRITE_NO_FIN = 0x40,
	LWS_WRITE_CLIENT_IGNORE_XOR_MASK = 0x80 /* clients mask all the same */
};

struct lws_tokens {
	char *token;
	int token_len;
};

enum lws_token_indexes {
	WSI_TOKEN_GET_URI,
	WSI_TOKEN_HOST,
	WSI_TOKEN_CONNECTION,
	WSI_TOKEN_KEY1,
	WSI_TOKEN_KEY2,
	WSI_TOKEN_PROTOCOL,
	WSI_TOKEN_UPGRADE,
	WSI_TOKEN_ORIGIN,
	WSI_TOKEN_DRAFT,
	WSI_TOKEN_CHALLENGE,
	WSI_TOKEN_KEY,
	WSI_TOKEN_VERSION,
	WSI_TOKEN_SWORIGIN,
	WSI_TOKEN_EXTENSIONS,
	WSI_TOKEN_ACCEPT,
	WSI_TOKEN_NONCE,
	WSI_TOKEN_HTTP,
	WSI_TOKEN_MUXURL,

	/* what a client connection was asked for with */
	_WSI_TOKEN_CLIENT_SENT_PROTOCOLS,
	_WSI_TOKEN_CLIENT_PEER_ADDRESS,
	_WSI_TOKEN_CLIENT_URI,
	_WSI_TOKEN_CLIENT_HOST,
	_WSI_TOKEN_CLIENT_ORIGIN,

	WSI_TOKEN_COUNT,

	/* not headers */
	WSI_TOKEN_NAME_PART,
	WSI_TOKEN_SKIPPING,
	WSI_TOKEN_SKIPPING_SAW_CR,
	WSI_PARSING_COMPLETE,
	WSI_INIT_TOKEN_MUXURL
};

enum lws_close_status {
	LWS_CLOSE_STATUS_NOSTATUS = 0,
	LWS_CLOSE_STATUS_NORMAL = 1000,
	LWS_CLOSE_STATUS_GOINGAWAY = 1001,
	LWS_CLOSE_STATUS_PROTOCOL_ERR = 1002,
	LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE = 1003,
	LWS_CLOSE_STATUS_RESERVED = 1004,
	LWS_CLOSE_STATUS_NO_STATUS = 1005,
	LWS_CLOSE_STATUS_ABNORMAL_CLOSE = 1006,
	LWS_CLOSE_STATUS_INVALID_PAYLOAD = 1007,
	LWS_CLOSE_STATUS_POLICY_VIOLATION = 1008,
	LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE = 1009,
	LWS_CLOSE_STATUS_EXTENSION_REQUIRED = 1010,
	LWS_CLOSE_STATUS_UNEXPECTED_CONDITION = 1011,
	LWS_CLOSE_STATUS_TLS_FAILURE = 1015
};

/* Types */

struct libwebsocket;
struct libwebsocket_context;
struct libwebsocket_extension;

typedef int(callback_function)(struct libwebsocket_context *context, struct libwebsocket *wsi,
			       enum libwebsocket_callback_reasons reason, void *user, void *in,
			       size_t len);

struct libwebsocket_protocols {
	const char *name;
	callback_function *callback;  /* NULL: here the array ends */
	size_t per_session_data_size; /* bytes of `user`, zeroed for each connection */
	size_t rx_buffer_size;	      /* the most that RECEIVE gets at a time; 0: 4096 */

	/* filled in by the library */
	struct libwebsocket_context *owning_server;
	int protocol_index;
};

#ifndef LWS_NO_EXTENSIONS
typedef int(extension_callback_function)(struct libwebsocket_context *context,
					 struct libwebsocket_extension *ext,
					 struct libwebsocket *wsi,
					 enum libwebsocket_extension_callback_reasons reason,
					 void *user, void *in, size_t len);

struct libwebsocket_extension {
	const char *name;
	extension_callback_function *callback;
	size_t per_session_data_size;
	void *per_context_private_data;
};
#endif

struct lws_context_creation_info {
	int port;		/* CONTEXT_PORT_NO_LISTEN: for clients only */
	const char *iface;	/* a network interface or an address; NULL: all */
	struct libwebsocket_protocols *protocols;
	struct libwebsocket_extension *extensions; /* not NULL: permessage-deflate */
	const char *ssl_cert_filepath;
	const char *ssl_private_key_filepath;
	const char *ssl_ca_filepath;
	const char *ssl_cipher_list;
	int gid; /* -1: no change */
	int uid; /* -1: no change */
	unsigned int options;
	void *user;
	int ka_time; /* seconds; 0: no TCP keepalive */
	int ka_probes;
	int ka_interval;
};

/* Contexts */

/* NULL on failure. */
LWS_EXTERN struct libwebsocket_context *
libwebsocket_create_context(struct lws_context_creation_info *info);

/* Inside a callback: once that has returned. */
LWS_EXTERN void libwebsocket_context_destroy(struct libwebsocket_context *context);

/* Waits up to timeout_ms (-1: for ever) and does what there is to do. Negative: stop. */
LWS_EXTERN int libwebsocket_service(struct libwebsocket_context *context, int timeout_ms);

/* The same for one descriptor of a loop of the program's own. */
LWS_EXTERN int libwebsocket_service_fd(struct libwebsocket_context *context,
				       struct pollfd *pollfd);

LWS_EXTERN void *libwebsocket_context_user(struct libwebsocket_context *context);

LWS_EXTERN const char *libwebsocket_canonical_hostname(struct libwebsocket_context *context);

/* Connections */

/* The number of bytes taken, which may wait for the socket; negative: it failed, so end the
 * connection by returning -1. */
LWS_EXTERN int libwebsocket_write(struct libwebsocket *wsi, unsigned char *buf, size_t len,
				  enum libwebsocket_write_protocol protocol);

LWS_EXTERN int libwebsocket_callback_on_writable(struct libwebsocket_context *context,
						 struct libwebsocket *wsi);

LWS_EXTERN int libwebsocket_callback_on_writable_all_protocol(
	const struct libwebsocket_protocols *protocol);

/* 1: what is written now has to wait. */
LWS_EXTERN int lws_send_pipe_choked(struct libwebsocket *wsi);

/* 0: stop receiving; else go on. */
LWS_EXTERN int libwebsocket_rx_flow_control(struct libwebsocket *wsi, int enable);

LWS_EXTERN const struct libwebsocket_protocols *
libwebsockets_get_protocol(struct libwebsocket *wsi);

LWS_EXTERN int libwebsocket_get_socket_fd(struct libwebsocket *wsi);

LWS_EXTERN void libwebsockets_get_peer_addresses(struct libwebsocket_context *context,
						 struct libwebsocket *wsi, int fd, char *name,
						 int name_len, char *rip, int rip_len);

/* About what RECEIVE has just been given */

/* 1: the message ends with it. */
LWS_EXTERN int libwebsocket_is_final_fragment(struct libwebsocket *wsi);

LWS_EXTERN size_t libwebsockets_remaining_packet_payload(struct libwebsocket *wsi);

LWS_EXTERN int lws_frame_is_binary(struct libwebsocket *wsi);

LWS_EXTERN unsigned char libwebsocket_get_reserved_bits(struct libwebsocket *wsi);

/* Headers, inside the callbacks that come with a handshake or an HTTP request */

LWS_EXTERN int lws_hdr_total_length(struct libwebsocket *wsi, enum lws_token_indexes h);

LWS_EXTERN int lws_hdr_copy(struct libwebsocket *wsi, char *dest, int len,
			    enum lws_token_indexes h);

/* HTTP */

/* Not zero: end the connection, by returning -1. */
LWS_EXTERN int libwebsockets_serve_http_file(struct libwebsocket_context *context,
					     struct libwebsocket *wsi, const char *file,
					     const char *content_type);

LWS_EXTERN int libwebsockets_serve_http_file_fragment(struct libwebsocket_context *context,
						      struct libwebsocket *wsi);

/* Clients */

/* NULL: nobody is there. ssl_connection 0: none; 1: verified; 2: self-signed is good too. */
LWS_EXTERN struct libwebsocket *
libwebsocket_client_connect(struct libwebsocket_context *clients, const char *address, int port,
			    int ssl_connection, const char *path, const char *host,
			    const char *origin, const char *protocol,
			    int ietf_version_or_minus_one);

/* userdata takes the place of session memory and stays the program's. */
LWS_EXTERN struct libwebsocket *
libwebsocket_client_connect_extended(struct libwebsocket_context *clients, const char *address,
				     int port, int ssl_connection, const char *path,
				     const char *host, const char *origin, const char *protocol,
				     int ietf_version_or_minus_one, void *userdata);

/* Helpers */

LWS_EXTERN int libwebsockets_get_random(struct libwebsocket_context *context, void *buf, int len);

LWS_EXTERN int lws_daemonize(const char *_lock_path);

LWS_EXTERN unsigned char *libwebsockets_SHA1(const unsigned char *d, size_t n, unsigned char *md);

LWS_EXTERN int lws_b64_encode_string(const char *in, int in_len, char *out, int out_size);

LWS_EXTERN int lws_b64_decode_string(const char *in, char *out, int out_size);

LWS_EXTERN const char *lws_get_library_version(void);

LWS_EXTERN int libwebsocket_read(struct libwebsocket_context *context, struct libwebsocket *wsi,
				 unsigned char *buf, size_t len);

#ifndef LWS_NO_EXTENSIONS
LWS_EXTERN struct libwebsocket_extension *libwebsocket_get_internal_extensions(void);
#endif

#ifdef __cplusplus
} /* extern "C" */

/* C passes an int where an enum is wanted; so that such programs compile as C++ too. */

inline int lws_hdr_total_length(struct libwebsocket *wsi, int h)
{
	return lws_hdr_total_length(wsi, static_cast<enum lws_token_indexes>(h));
}

inline int lws_hdr_copy(struct libwebsocket *wsi, char *dest, int len, int h)
{
	return lws_hdr_copy(wsi, dest, len, static_cast<enum lws_token_indexes>(h));
}

inline int libwebsocket_write(struct libwebsocket *wsi, unsigned char *buf, size_t len,
			      int protocol)
{
	return libwebsocket_write(wsi, buf, len,
				  static_cast<enum libwebsocket_write_protocol>(protocol));
}
#endif

#endif
