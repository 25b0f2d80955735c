/*
 * The least that can be called a WebSocket server: answers any handshake, echoes frames that are
 * masked and whole, gathers the short answers of a read into one send, sends long ones from where
 * they lie, and checks next to nothing. It shows what is left for checks, limits and an API. Not
 * for use.
 */
#include <stdint.h>

#include "loop.h"

/* What came of a frame or head that is not whole. */
static struct tail partials[FDS];
static char open_[FDS];
static char out[BUFFER + 16];

/* Messages from this length on are not copied. */
#define LONG 4096

static uint32_t rotate(uint32_t word, int by)
{
	return word << by | word >> (32 - by);
}

/* SHA-1 (RFC 3174) of 60 bytes, which is the key and the GUID of RFC 6455. */
static void sha1_60(const char *text, unsigned char digest[20])
{
	unsigned char block[128] = { 0 };
	uint32_t h[5] = { 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0 };

	memcpy(block, text, 60);
	block[60] = 0x80;
	block[126] = 60 * 8 >> 8;
	block[127] = (unsigned char)(60 * 8);
	for (int at = 0; at < 128; at += 64) {
		uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

		for (int t = 0; t < 16; t++)
			w[t] = (uint32_t)block[at + 4 * t] << 24 | block[at + 4 * t + 1] << 16 |
			       block[at + 4 * t + 2] << 8 | block[at + 4 * t + 3];
		for (int t = 16; t < 80; t++)
			w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
		for (int t = 0; t < 80; t++) {
			uint32_t f = t < 20 ? ((b & c) | (~b & d)) :
				     t < 40 ? b ^ c ^ d :
				     t < 60 ? ((b & c) | (b & d) | (c & d)) : b ^ c ^ d;
			uint32_t k = t < 20 ? 0x5A827999 : t < 40 ? 0x6ED9EBA1 :
				     t < 60 ? 0x8F1BBCDC : 0xCA62C1D6;
			uint32_t next = rotate(a, 5) + f + e + w[t] + k;

			e = d, d = c, c = rotate(b, 30), b = a, a = next;
		}
		h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
	}
	for (int i = 0; i < 20; i++)
		digest[i] = (unsigned char)(h[i / 4] >> (24 - i % 4 * 8));
}

static void answer(int fd, const char *head, size_t len)
{
	static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *name = memmem(head, len, "Sec-WebSocket-Key: ", 19);
	char text[61] = { 0 }, accept[29] = { 0 }, response[256];
	unsigned char digest[21] = { 0 };

	if (!name || name + 19 + 24 > head + len)
		return;
	memcpy(text, name + 19, 24);
	memcpy(text + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
	sha1_60(text, digest);
	for (int i = 0, o = 0; i < 21; i += 3, o += 4) {
		uint32_t word = digest[i] << 16 | digest[i + 1] << 8 | digest[i + 2];

		for (int k = 0; k < 4; k++)
			accept[o + k] = b64[word >> (18 - 6 * k) & 63];
	}
	accept[27] = '=';
	put(fd, response,
	    (size_t)snprintf(response, sizeof response,
			     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
			     "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			     accept));
	open_[fd] = 1;
}

/* Takes the mask off where the bytes lie. */
static void unmask(unsigned char *bytes, size_t len, uint64_t key)
{
	size_t whole = len & ~(size_t)7;

	for (size_t i = 0; i < whole; i += 8) {
		uint64_t word;

		memcpy(&word, bytes + i, 8);
		word ^= key;
		memcpy(bytes + i, &word, 8);
	}
	for (size_t i = whole; i < len; i++)
		bytes[i] ^= ((unsigned char *)&key)[i % 4];
}

/* Echoes the whole frames at the start of `bytes`; how many bytes they were. */
static size_t echo(int fd, unsigned char *bytes, size_t len)
{
	size_t at = 0, end = 0;

	while (len - at >= 6) {
		unsigned char *frame = bytes + at;
		size_t size = frame[1] & 127, header = 2, head;
		uint64_t key;

		if (size == 126) {
			size = frame[2] << 8 | frame[3];
			header = 4;
		} else if (size == 127) {
			size = 0;
			for (int i = 2; i < 10; i++)
				size = size << 8 | frame[i];
			header = 10;
		}
		head = header + 4;
		if (len - at < head || len - at - head < size)
			break;
		memcpy(&key, frame + header, 4);
		memcpy((char *)&key + 4, frame + header, 4);
		if (end && (size >= LONG || end + header + size + 8 > sizeof out)) {
			put(fd, out, end);
			end = 0;
		}
		if (size >= LONG) {
			/* The head moves over the key, up to the payload. */
			unmask(frame + head, size, key);
			memmove(frame + 4, frame, header);
			frame[5] &= 0x7f;
			put(fd, (char *)frame + 4, header + size);
			at += head + size;
			continue;
		}
		memcpy(out + end, frame, header);
		out[end + 1] &= 0x7f;
		for (size_t i = 0; i < size; i += 8) {
			uint64_t word;

			/* Up to 7 bytes too many are written, over what comes next or is unused. */
			memcpy(&word, frame + head + i, 8);
			word ^= key;
			memcpy(out + end + header + i, &word, 8);
		}
		end += header + size;
		at += head + size;
	}
	if (end)
		put(fd, out, end);
	return at;
}

static void begin(int fd)
{
	open_[fd] = 0;
}

static void take(int fd, char *bytes, size_t len)
{
	struct tail *partial = &partials[fd];
	size_t used = 0;

	if (partial->len) {
		partial->bytes = realloc(partial->bytes, partial->len + len + 8);
		memcpy(partial->bytes + partial->len, bytes, len);
		len += partial->len;
		bytes = partial->bytes;
	}
	if (!open_[fd]) {
		char *blank = memmem(bytes, len, "\r\n\r\n", 4);

		if (blank) {
			used = (size_t)(blank + 4 - bytes);
			answer(fd, bytes, used);
		}
	}
	if (open_[fd])
		used += echo(fd, (unsigned char *)bytes + used, len - used);
	len -= used;
	if (!len) {
		free(partial->bytes);
		partial->bytes = NULL;
	} else if (partial->len) {
		memmove(partial->bytes, bytes + used, len);
	} else {
		partial->bytes = malloc(len + 8);
		memcpy(partial->bytes, bytes + used, len);
	}
	partial->len = len;
}

static void end(int fd)
{
	free(partials[fd].bytes);
	memset(&partials[fd], 0, sizeof partials[fd]);
}

int main(int argc, char **argv)
{
	serve(argc > 1 ? atoi(argv[1]) : 0, begin, take, end);
}
