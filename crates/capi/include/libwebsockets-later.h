/*
 * The functions that releases after the manual added. libwebsockets.h includes this; what each
 * level has is told by SOCKEYE_LWS_LEVEL.
 */

#ifndef SOCKEYE_LIBWEBSOCKETS_LATER_H
#define SOCKEYE_LIBWEBSOCKETS_LATER_H

#if SOCKEYE_LWS_LEVEL >= 123

/* Clients of this context connect through `proxy`, a "host:port". 0, or -1 if it is none. */
LWS_EXTERN int libwebsocket_set_proxy(struct libwebsocket_context *context, const char *proxy);

/* Ends the connection after so many seconds; NO_PENDING_TIMEOUT takes it back. */
LWS_EXTERN void libwebsocket_set_timeout(struct libwebsocket *wsi, enum pending_timeout reason,
					 int secs);

/* All connections of a protocol go on receiving. */
LWS_EXTERN void
libwebsocket_rx_flow_allow_all_protocol(const struct libwebsocket_protocols *protocol);

#endif
#if SOCKEYE_LWS_LEVEL >= 130

/* Makes libwebsocket_service return. From any thread. */
LWS_EXTERN void libwebsocket_cancel_service(struct libwebsocket_context *context);

/* Calls each connection of a protocol back with this reason, as LWS_CALLBACK_USER + 1. */
LWS_EXTERN int
libwebsocket_callback_all_protocol(const struct libwebsocket_protocols *protocol, int reason);

/* Answers with a status and a short page; html_body may be NULL. Not zero: end the connection. */
LWS_EXTERN int libwebsockets_return_http_status(struct libwebsocket_context *context,
						struct libwebsocket *wsi, unsigned int code,
						const char *html_body);

#define libwebsocket_write_http(wsi, buf, len) libwebsocket_write(wsi, buf, len, LWS_WRITE_HTTP)

#endif
#if SOCKEYE_LWS_LEVEL >= 140

LWS_EXTERN void _lws_logv(int filter, const char *format, va_list arguments);

/* A header's name with its colon, as "host:"; NULL if the token is none. */
LWS_EXTERN const unsigned char *lws_token_to_string(enum lws_token_indexes token);

/*
 * An answer's head, put together in the program's own memory: each of these writes to *p, which
 * it moves on, and not to `end` or beyond. Not zero: there is no room.
 */
LWS_EXTERN int lws_add_http_header_status(struct libwebsocket_context *context,
					  struct libwebsocket *wsi, unsigned int code,
					  unsigned char **p, unsigned char *end);

LWS_EXTERN int lws_add_http_header_by_name(struct libwebsocket_context *context,
					   struct libwebsocket *wsi, const unsigned char *name,
					   const unsigned char *value, int length,
					   unsigned char **p, unsigned char *end);

LWS_EXTERN int lws_add_http_header_by_token(struct libwebsocket_context *context,
					    struct libwebsocket *wsi, enum lws_token_indexes token,
					    const unsigned char *value, int length,
					    unsigned char **p, unsigned char *end);

LWS_EXTERN int lws_add_http_header_content_length(struct libwebsocket_context *context,
						  struct libwebsocket *wsi,
						  unsigned long content_length, unsigned char **p,
						  unsigned char *end);

LWS_EXTERN int lws_finalize_http_header(struct libwebsocket_context *context,
					struct libwebsocket *wsi, unsigned char **p,
					unsigned char *end);

/* The answer is complete. Not zero: the connection does not go on, so return -1. */
LWS_EXTERN int lws_http_transaction_completed(struct libwebsocket *wsi);

/* How much the peer lets us write: no limit, (size_t)-1, as this is not HTTP/2. */
LWS_EXTERN size_t lws_get_peer_write_allowance(struct libwebsocket *wsi);

/* 1: some of what was written waits for the socket. */
LWS_EXTERN int lws_partial_buffered(struct libwebsocket *wsi);

LWS_EXTERN int lws_is_ssl(struct libwebsocket *wsi);

/* For the program's peace only: the library keeps to its own allocator. */
LWS_EXTERN void lws_set_allocator(void *(*realloc_function)(void *ptr, size_t size));

#endif

#endif
