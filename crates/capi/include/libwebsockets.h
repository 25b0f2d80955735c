/*
 * libwebsockets.h: the API of the libwebsockets manual of 2013-02-22, and of the releases 1.23,
 * 1.3 and 1.4, over Sockeye.
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

/*
 * Which release a program was written for. It says so before it includes this, or its compiler
 * does:
 *
 *     -DSOCKEYE_LWS_LEVEL=120  the manual's, which calls itself 1.2
 *     -DSOCKEYE_LWS_LEVEL=123  1.23 of October 2013
 *     -DSOCKEYE_LWS_LEVEL=130  1.3 of July 2014
 *     -DSOCKEYE_LWS_LEVEL=140  1.4 of March 2015
 *
 * One library serves them all, also several in one process; all that a context is given must be
 * of its level.
 */
#ifndef SOCKEYE_LWS_LEVEL
#define SOCKEYE_LWS_LEVEL 120
#endif
#if SOCKEYE_LWS_LEVEL != 120 && SOCKEYE_LWS_LEVEL != 123 && SOCKEYE_LWS_LEVEL != 130 && \
	SOCKEYE_LWS_LEVEL != 140
#error "SOCKEYE_LWS_LEVEL must be 120, 123, 130 or 140: Sockeye has no other libwebsockets API"
#endif

#include <assert.h>
#include <poll.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>
#if SOCKEYE_LWS_LEVEL >= 130
#include <sys/time.h>
#endif
#if SOCKEYE_LWS_LEVEL >= 140
#include <stdarg.h>
#endif

/* 1.5 renamed everything: a program of that API, or a later one, is stopped here. */
#ifdef __GNUC__
#define SOCKEYE_LWS_STOP \
	_Pragma("GCC error \"this program uses the API of libwebsockets 1.5 or later (lws_*), \
Sockeye's libwebsockets.h has that of 1.2 to 1.4 (libwebsocket_*)\"")
#define lws_callback_reasons SOCKEYE_LWS_STOP lws_callback_reasons
#define lws_create_context SOCKEYE_LWS_STOP lws_create_context
#endif

#ifdef __cplusplus
extern "C" {
#endif

#ifndef LWS_EXTERN
#define LWS_EXTERN extern
#endif

/* What the library calls a function that this level has a version of its own of. */
#if SOCKEYE_LWS_LEVEL == 120
#define SOCKEYE_LWS_VERSION(name)
#elif SOCKEYE_LWS_LEVEL == 123
#define SOCKEYE_LWS_VERSION(name) __asm__(name "_123")
#elif SOCKEYE_LWS_LEVEL == 130
#define SOCKEYE_LWS_VERSION(name) __asm__(name "_130")
#else
#define SOCKEYE_LWS_VERSION(name) __asm__(name "_140")
#endif

/* A context's port that says "do not listen". */
#if SOCKEYE_LWS_LEVEL < 130
#define CONTEXT_PORT_NO_LISTEN 0
#else
#define CONTEXT_PORT_NO_LISTEN -1
#endif

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

#include "libwebsockets-numbers.h"

#if SOCKEYE_LWS_LEVEL >= 123
#define LWS_VISIBLE
#endif
#if SOCKEYE_LWS_LEVEL >= 130
#define LWS_FEATURE_SERVE_HTTP_FILE_HAS_OTHER_HEADERS_ARG
#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#endif
#define libwebsocket_pollfd pollfd
#endif
#if SOCKEYE_LWS_LEVEL >= 140
#define LWS_FEATURE_SERVE_HTTP_FILE_HAS_OTHER_HEADERS_LEN
#define LWS_FEATURE_PROTOCOLS_HAS_ID_FIELD
#define LWS_FEATURE_PROTOCOLS_HAS_PEER_WRITE_ALLOWANCE
#endif

/* Types */

struct lws_tokens {
	char *token;
	int token_len;
};

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
#if SOCKEYE_LWS_LEVEL >= 140
	unsigned int id; /* the program's own */
	void *user;	 /* the program's own */
#elif SOCKEYE_LWS_LEVEL >= 123
	int no_buffer_all_partial_tx; /* what the socket does not take is kept in any case */
#endif

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

#if SOCKEYE_LWS_LEVEL >= 130
/* How long each header may be, in bytes, before its request is refused; 0: no limit. */
struct lws_token_limits {
	unsigned short token_limit[WSI_TOKEN_COUNT];
};

/* What the callbacks about poll descriptors get as `in`. */
struct libwebsocket_pollargs {
	int fd;
	int events;
	int prev_events;
};
#endif

struct lws_context_creation_info {
	int port;		/* CONTEXT_PORT_NO_LISTEN: for clients only */
	const char *iface;	/* a network interface or an address; NULL: all */
	struct libwebsocket_protocols *protocols;
	struct libwebsocket_extension *extensions; /* not NULL: permessage-deflate */
#if SOCKEYE_LWS_LEVEL >= 130
	struct lws_token_limits *token_limits; /* NULL: none */
#endif
	const char *ssl_cert_filepath;
#if SOCKEYE_LWS_LEVEL >= 140
	const char *ssl_private_key_password;
#endif
	const char *ssl_private_key_filepath;
	const char *ssl_ca_filepath;
	const char *ssl_cipher_list;
#if SOCKEYE_LWS_LEVEL >= 130
	const char *http_proxy_address; /* NULL: as the environment's http_proxy says */
	unsigned int http_proxy_port;
#endif
	int gid; /* -1: no change */
	int uid; /* -1: no change */
	unsigned int options;
	void *user;
	int ka_time; /* seconds; 0: no TCP keepalive */
	int ka_probes;
	int ka_interval;
#if SOCKEYE_LWS_LEVEL >= 140
	void *provided_client_ssl_ctx;
#endif
};

/*
 * What LWS_CALLBACK_OPENSSL_PERFORM_CLIENT_CERT_VERIFICATION gets in `in`, for the length of the
 * call: the certificate of a client, verified already.
 */
struct sockeye_certificate {
	const char *subject; /* as "O=Example, CN=alice" */
	const char *issuer;
	const char *common_name;  /* NULL: it has none */
	const unsigned char *der; /* all of it */
	size_t der_len;
	unsigned char sha256[32]; /* of all of it */
};

/* Contexts */

/* NULL on failure. */
LWS_EXTERN struct libwebsocket_context *
libwebsocket_create_context(struct lws_context_creation_info *info)
	SOCKEYE_LWS_VERSION("libwebsocket_create_context");

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
#if SOCKEYE_LWS_LEVEL < 130
					     const char *content_type);
#elif SOCKEYE_LWS_LEVEL < 140
					     const char *content_type, const char *other_headers)
	SOCKEYE_LWS_VERSION("libwebsockets_serve_http_file");
#else
					     const char *content_type, const char *other_headers,
					     int other_headers_len)
	SOCKEYE_LWS_VERSION("libwebsockets_serve_http_file");
#endif

LWS_EXTERN int libwebsockets_serve_http_file_fragment(struct libwebsocket_context *context,
						      struct libwebsocket *wsi);

/* Clients */

/*
 * NULL: nobody is there. From 1.23 on it does not wait to know: then CLIENT_CONNECTION_ERROR says
 * so. ssl_connection 0: none; 1: verified; 2: self-signed is good too.
 */
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

LWS_EXTERN const char *lws_get_library_version(void)
	SOCKEYE_LWS_VERSION("lws_get_library_version");

LWS_EXTERN int libwebsocket_read(struct libwebsocket_context *context, struct libwebsocket *wsi,
				 unsigned char *buf, size_t len);

#ifndef LWS_NO_EXTENSIONS
LWS_EXTERN struct libwebsocket_extension *libwebsocket_get_internal_extensions(void);
#endif

#include "libwebsockets-later.h"

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
