/*
 * Memory that has run out inside the library: from the moment that a context is made the C library
 * gives none. The process must end by SIGABRT, after a line that says why.
 *
 *     memory
 */

#include <libwebsockets.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int empty;

/* The library's calls come here before they would come to the C library's. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static void *none(void)
{
	errno = ENOMEM;
	return NULL;
}

void *malloc(size_t size)
{
	return empty ? none() : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return empty ? none() : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return empty ? none() : __libc_realloc(old, size);
}

static int callback(struct libwebsocket_context *context, struct libwebsocket *wsi,
		    enum libwebsocket_callback_reasons reason, void *user, void *in, size_t len)
{
	(void)context;
	(void)wsi;
	(void)reason;
	(void)user;
	(void)in;
	(void)len;
	return 0;
}

static struct libwebsocket_protocols protocols[] = {
	{ "any", callback, 0, 0, NULL, 0 },
	{ NULL, NULL, 0, 0, NULL, 0 },
};

int main(void)
{
	struct lws_context_creation_info info;

	memset(&info, 0, sizeof(info));
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.protocols = protocols;
	info.gid = -1;
	info.uid = -1;
	setvbuf(stderr, NULL, _IONBF, 0);
	empty = 1;
	libwebsocket_create_context(&info);
	_exit(1); /* there was memory after all */
}
