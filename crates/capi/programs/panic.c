/*
 * A panic inside the library: the system's clock fails for it, as no system's clock does. The call
 * must return what it returns when it fails, say so in the log, and leave the context usable.
 *
 *     panic
 *
 * Exit status: 0 if all of that is so.
 */

#include <libwebsockets.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

static int broken;
static int caught;

/* The library's calls come here before they would come to the C library's. */
int clock_gettime(clockid_t clock, struct timespec *time)
{
	if (broken) {
		errno = EINVAL;
		return -1;
	}
	return (int)syscall(SYS_clock_gettime, clock, time);
}

#if defined(__linux__) && defined(__i386__)
/* Where time has 32 bits the library asks for 64. */
struct long_time {
	int64_t seconds;
	int32_t nanoseconds;
	int32_t padding;
};

int __clock_gettime64(clockid_t clock, struct long_time *time);
int __clock_gettime64(clockid_t clock, struct long_time *time)
{
	if (broken) {
		errno = EINVAL;
		return -1;
	}
	return (int)syscall(SYS_clock_gettime64, clock, time);
}
#endif

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

static void emit(int level, const char *line)
{
	if (level == LLL_ERR && strstr(line, "a bug in the library was caught"))
		caught++;
	fputs(line, stderr);
}

static struct libwebsocket_protocols protocols[] = {
	{ "nothing", callback, 0, 0, NULL, 0 },
	{ NULL, NULL, 0, 0, NULL, 0 }
};

int main(void)
{
	struct lws_context_creation_info info;
	struct libwebsocket_context *context;
	int failed;

	lws_set_log_level(LLL_ERR, emit);
	memset(&info, 0, sizeof(info));
	info.protocols = protocols;
	info.gid = info.uid = -1;
	context = libwebsocket_create_context(&info);
	if (!context)
		return 2;
	broken = 1;
	failed = libwebsocket_service(context, 0);
	broken = 0;
	if (failed >= 0 || caught != 1)
		return 3;
	if (libwebsocket_service(context, 0) != 0)
		return 4;
	libwebsocket_context_destroy(context);
	return 0;
}
