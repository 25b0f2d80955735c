/* The floor: receives, and sends the same bytes back without looking at them. */
#include "loop.h"

static void nothing(int fd)
{
	(void)fd;
}

static void take(int fd, char *bytes, size_t len)
{
	put(fd, bytes, len);
}

int main(int argc, char **argv)
{
	serve(argc > 1 ? atoi(argv[1]) : 0, nothing, take, nothing);
}
