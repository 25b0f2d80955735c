/*
 * Gathers whole messages from the pieces that RECEIVE gets, the way of the manual's chapter on
 * fragmented messages: what remains of the frame and whether it is the last tell where a message
 * ends. Answers each with its length and the sum of its bytes, as a server; with an address it is
 * the client of a server that sends such messages, as `test-fraggle` or `sockeye fraggle`, and
 * ends after as many as it is told:
 *
 *     gather PORT
 *     gather PORT ADDRESS COUNT
 *
 * Its buffer is small, so that hardly a frame comes in one piece.
 */

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <libwebsockets.h>

namespace {

/* The longest message: whoever sends more is hung up on. */
const size_t MESSAGE_MAX = 16u << 20;

volatile std::sig_atomic_t stopped;
int messages_left = -1;
int wrong;

/* What a connection has of its own. The session memory holds a pointer to it. */
class Client {
public:
	Client() : pieces(0), sum_of_last(0), expects_sum(false) {}

	bool has_fragments() const { return !message.empty(); }

	/*
	 * `remaining` bytes of the frame follow; room for them is made at once. false: it would be
	 * more than a message may have.
	 */
	bool append(const char *in, size_t len, size_t remaining)
	{
		if (remaining > MESSAGE_MAX || message.size() + len + remaining > MESSAGE_MAX)
			return false;
		message.reserve(message.size() + len + remaining);
		message.append(in, len);
		++pieces;
		return true;
	}

	void process(struct libwebsocket *wsi, const char *in, size_t len, bool is_client)
	{
		unsigned long sum = 0;

		for (size_t n = 0; n < len; ++n)
			sum += static_cast<unsigned char>(in[n]);
		if (is_client)
			compare(in, len, sum);
		else
			answer(wsi, len, sum);
	}

	void reset()
	{
		message.clear();
		pieces = 0;
	}

	std::string message;

private:
	void answer(struct libwebsocket *wsi, size_t len, unsigned long sum)
	{
		char text[100];
		int n = std::sprintf(text, "%s of %lu bytes in %s, sum %lu",
				     lws_frame_is_binary(wsi) ? "binary" : "text",
				     static_cast<unsigned long>(len),
				     pieces ? "pieces" : "one piece", sum);

		libwebsocket_write(wsi, reinterpret_cast<unsigned char *>(text),
				   static_cast<size_t>(n), LWS_WRITE_TEXT);
	}

	/* Every other message is the sum of the one before. */
	void compare(const char *in, size_t len, unsigned long sum)
	{
		if (stopped)
			return; /* more may have come in the same read */
		expects_sum = !expects_sum;
		if (expects_sum) {
			sum_of_last = sum;
			std::printf("message of %lu bytes\n", static_cast<unsigned long>(len));
			return;
		}
		unsigned long sent = 0;
		for (size_t n = 0; n < len; ++n)
			sent = sent << 8 | static_cast<unsigned char>(in[n]);
		if (len != 4 || sent != sum_of_last) {
			std::printf("WRONG: the sum is %lu, not %lu\n", sum_of_last, sent);
			wrong = 1;
		}
		if (--messages_left <= 0)
			stopped = 1;
	}

	int pieces;
	unsigned long sum_of_last;
	bool expects_sum;
};

int callback_gather(struct libwebsocket_context *, struct libwebsocket *wsi,
		    enum libwebsocket_callback_reasons reason, void *user, void *in, size_t len)
{
	Client **session = static_cast<Client **>(user);

	switch (reason) {
	case LWS_CALLBACK_ESTABLISHED:
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		*session = new Client;
		break;
	case LWS_CALLBACK_RECEIVE:
	case LWS_CALLBACK_CLIENT_RECEIVE: {
		Client *client = *session;
		const size_t remaining = libwebsockets_remaining_packet_payload(wsi);

		if (!remaining && libwebsocket_is_final_fragment(wsi)) {
			if (client->has_fragments()) {
				if (!client->append(static_cast<char *>(in), len, 0))
					return -1;
				in = &client->message[0];
				len = client->message.size();
			}
			client->process(wsi, static_cast<char *>(in), len,
					reason == LWS_CALLBACK_CLIENT_RECEIVE);
			client->reset();
		} else if (!client->append(static_cast<char *>(in), len, remaining))
			return -1;
		break;
	}
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		stopped = 1;
		break;
	case LWS_CALLBACK_CLOSED:
		delete *session;
		*session = NULL;
		if (messages_left >= 0)
			stopped = 1;
		break;
	default:
		break;
	}
	return 0;
}

struct libwebsocket_protocols protocols[] = {
	{ "fraggle-protocol", callback_gather, sizeof(Client *), 64, NULL, 0 },
	{ NULL, NULL, 0, 0, NULL, 0 },
};

extern "C" void on_signal(int)
{
	stopped = 1;
}

} // namespace

int main(int argc, char **argv)
{
	struct lws_context_creation_info info;
	int port = argc > 1 ? std::atoi(argv[1]) : 7681;
	const char *address = argc > 2 ? argv[2] : NULL;

	std::memset(&info, 0, sizeof(info));
	info.port = address ? CONTEXT_PORT_NO_LISTEN : port;
	info.protocols = protocols;
	info.extensions = libwebsocket_get_internal_extensions();
	info.gid = -1;
	info.uid = -1;
	std::signal(SIGINT, on_signal);
	struct libwebsocket_context *context = libwebsocket_create_context(&info);
	if (!context)
		return 1;
	if (address) {
		messages_left = argc > 3 ? std::atoi(argv[3]) : 1;
		if (!libwebsocket_client_connect(context, address, port, 0, "/", address, "origin",
						 protocols[0].name, -1)) {
			libwebsocket_context_destroy(context);
			return 1;
		}
	}
	while (!stopped && libwebsocket_service(context, 1000) >= 0)
		;
	libwebsocket_context_destroy(context);
	return wrong || messages_left > 0;
}
