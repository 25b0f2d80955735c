/*
 * Goes into the background, and writes into a file what it has become:
 *
 *     daemon LOCK REPORT [context]
 *
 * With a third word there is a context before.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/stat.h>

#include <libwebsockets.h>

static const char *what_is(int fd)
{
	static char target[100];
	char path[40];
	ssize_t n;

	sprintf(path, "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = 0;
	return target;
}

static int callback_any(struct libwebsocket_context *context, struct libwebsocket *wsi,
			enum libwebsocket_callback_reasons reason, void *user, void *in,
			size_t len)
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
	{ "none", callback_any, 0, 0, NULL, 0 },
	{ NULL, NULL, 0, 0, NULL, 0 },
};

static void make_context(void)
{
	struct lws_context_creation_info info;

	memset(&info, 0, sizeof(info));
	info.protocols = protocols;
	info.gid = -1;
	info.uid = -1;
	if (!libwebsocket_create_context(&info))
		exit(5);
}

int main(int argc, char **argv)
{
	char directory[1000];
	struct sigaction hangup;
	mode_t mask;
	pid_t session;
	FILE *report;
	int n;

	if (argc < 3)
		return 2;
	if (argc > 3)
		make_context();
	session = getsid(0);
	n = lws_daemonize(argv[1]);
	if (n) {
		fprintf(stderr, "lws_daemonize: %d\n", n);
		return 3;
	}
	mask = umask(0);
	sigaction(SIGHUP, NULL, &hangup);
	report = fopen(argv[2], "w");
	if (!report || !getcwd(directory, sizeof(directory)))
		return 4;
	fprintf(report, "pid %d umask %o in %s, %s session, %s SIGHUP\n", (int)getpid(),
		(unsigned int)mask, directory, getsid(0) == session ? "the same" : "another",
		hangup.sa_handler == SIG_IGN ? "ignores" : "minds");
	for (n = 0; n < 3; n++)
		fprintf(report, "%s\n", what_is(n));
	fprintf(report, "end\n");
	fclose(report);
	for (;;)
		pause();
}
