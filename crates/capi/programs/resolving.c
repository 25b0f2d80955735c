/*
 * Destroys a context while a name is looked up for it, which nobody answers; this program is the
 * name server. To be run where the system asks 127.0.0.1 for names, with the library's path:
 *
 *     resolving LIBRARY leave     ends while the look-up is still under way
 *     resolving LIBRARY stay      sees it end
 *     resolving LIBRARY unload    the same, when the library has been unloaded
 *
 * At the manual's level the connect call itself waits, but not as long as the system would.
 */

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libwebsockets.h>

#if SOCKEYE_LWS_LEVEL == 120
#define CREATE "libwebsocket_create_context"
#else
#define CREATE "libwebsocket_create_context_123"
#endif

#define CHECK(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "WRONG in line %d: %s\n", __LINE__, #what); \
			exit(1); \
		} \
	} while (0)

static struct libwebsocket_context *(*create)(struct lws_context_creation_info *);
static void (*destroy)(struct libwebsocket_context *);
static struct libwebsocket *(*dial)(struct libwebsocket_context *, const char *, int, int,
				    const char *, const char *, const char *, const char *, int);
static int name_server;

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
	{ .name = "resolving", .callback = callback_any },
	{ .name = NULL },
};

/* ISO C knows no way from one kind of pointer to the other. */
static void find(void *library, const char *name, void *function)
{
	void *found = dlsym(library, name);

	CHECK(found);
	memcpy(function, &found, sizeof(found));
}

static int serve_names(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in address;

	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_port = htons(53);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(!bind(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

/* The first question: from here on a thread waits for its answer. */
static void await_question(void)
{
	char question[512];

	CHECK(recv(name_server, question, sizeof(question), MSG_PEEK) > 12);
}

/* There is no such name, to whoever asks at present. */
static void answer_questions(void)
{
	unsigned char question[512];
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(name_server, question, sizeof(question), MSG_DONTWAIT,
			     (struct sockaddr *)&from, &size)) > 12) {
		question[2] |= 0x80; /* an answer */
		question[3] = 3;
		sendto(name_server, question, (size_t)n, 0, (struct sockaddr *)&from, size);
	}
}

static int threads(void)
{
	DIR *all = opendir("/proc/self/task");
	int n = 0;

	CHECK(all);
	while (readdir(all))
		n++;
	closedir(all);
	return n - 2; /* . and .. */
}

/* In a thread of its own, so that nothing of this one holds the library. */
static void *live(void *looks_up)
{
	struct lws_context_creation_info info;
	struct libwebsocket_context *context;
	struct libwebsocket *wsi;

	memset(&info, 0, sizeof(info));
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.protocols = protocols;
	info.gid = -1;
	info.uid = -1;
	context = create(&info);
	CHECK(context);
	if (looks_up) {
		/* NULL where the call has waited for an answer */
		wsi = dial(context, "far.example", 80, 0, "/", "a", "b", "resolving", -1);
		CHECK((wsi == NULL) == (SOCKEYE_LWS_LEVEL == 120));
		await_question();
	}
	destroy(context); /* does not wait for an answer */
	return NULL;
}

static void *load(const char *path)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	CHECK(library);
	find(library, CREATE, &create);
	find(library, "libwebsocket_context_destroy", &destroy);
	find(library, "libwebsocket_client_connect", &dial);
	return library;
}

static void let_live(int looks_up)
{
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, live, looks_up ? &name_server : NULL));
	CHECK(!pthread_join(thread, NULL));
	CHECK(looks_up == (threads() > 1)); /* the one that waits for an answer */
}

int main(int argc, char **argv)
{
	void *library;
	int unloads;

	CHECK(argc == 3);
	unloads = !strcmp(argv[2], "unload");
	library = load(argv[1]);
	name_server = serve_names();
	if (unloads) {
		let_live(0);
		CHECK(!dlclose(library));
		raise(SIGPIPE); /* a context has seen to it that this does no harm */
		library = load(argv[1]);
	}
	let_live(1);
	puts("destroyed");
	if (!strcmp(argv[2], "leave"))
		return 0;
	if (unloads)
		CHECK(!dlclose(library));
	while (threads() > 1) {
		answer_questions();
		poll(NULL, 0, 1);
	}
	puts("over");
	return 0;
}
