// libwebsockets as an echo server:
// `libwebsockets PORT [--libev] [--cert FILE --key FILE] [--deflate] [--small]`.
// It waits by poll(2), or by libev's epoll(7); with --small each connection keeps the least.
#include <libwebsockets.h>
#include <openssl/ssl.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A message that waits to go back, with the room that lws_write asks for before it.
struct message {
    struct message *next;
    size_t length, room;
    bool text;
    unsigned char bytes[];
};

struct session {
    struct message *coming;
    struct message *first, **last;
    struct message *going;
};

static bool deflate;

static bool append(struct session *session, const void *in, size_t length, size_t remaining) {
    struct message *message = session->coming;
    size_t have = message ? message->length : 0;
    if (!message || have + length > message->room) {
        size_t room = have + length + remaining;
        message = realloc(message, sizeof *message + LWS_PRE + room);
        if (!message) {
            return false;
        }
        message->room = room;
        message->length = have;
        session->coming = message;
    }
    memcpy(message->bytes + LWS_PRE + have, in, length);
    message->length += length;
    return true;
}

static void drop_all(struct session *session) {
    free(session->coming);
    free(session->going);
    while (session->first) {
        struct message *next = session->first->next;
        free(session->first);
        session->first = next;
    }
}

// Sends until nothing waits, or the socket takes no more.
static int send_some(struct lws *wsi, struct session *session) {
    while (session->first) {
        struct message *message = session->first;
        enum lws_write_protocol kind = message->text ? LWS_WRITE_TEXT : LWS_WRITE_BINARY;
        int sent = lws_write(wsi, message->bytes + LWS_PRE, message->length, kind);
        if (sent < (int)message->length) {
            return -1;
        }
        session->first = message->next;
        free(session->going);
        session->going = NULL;
        if (deflate) {
            session->going = message; // what is left of it is read until it can be written again
        } else {
            free(message);
        }
        if (session->first && lws_send_pipe_choked(wsi)) {
            lws_callback_on_writable(wsi);
            return 0;
        }
    }
    session->last = &session->first;
    return 0;
}

static int echo(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length) {
    struct session *session = user;
    switch (reason) {
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
        // Here `user` is the SSL_CTX. Idle connections keep no buffers; no session is ever resumed.
        SSL_CTX_set_mode(user, SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_session_cache_mode(user, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_num_tickets(user, 0);
        return 0;
    case LWS_CALLBACK_ESTABLISHED:
        session->last = &session->first;
        return 0;
    case LWS_CALLBACK_RECEIVE:
        if (!append(session, in, length, lws_remaining_packet_payload(wsi))) {
            return -1;
        }
        if (lws_is_final_fragment(wsi)) {
            struct message *message = session->coming;
            session->coming = NULL;
            message->text = !lws_frame_is_binary(wsi);
            message->next = NULL;
            *session->last = message;
            session->last = &message->next;
            lws_callback_on_writable(wsi);
        }
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return send_some(wsi, session);
    case LWS_CALLBACK_CLOSED:
        drop_all(session);
        return 0;
    default:
        return 0;
    }
}

int main(int argc, char **argv) {
    bool small = false;
    struct lws_context_creation_info info = { 0 };
    info.port = argc > 1 ? atoi(argv[1]) : 0;
    info.iface = "127.0.0.1";
    info.uid = -1;
    info.gid = -1;
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    for (int i = 2; i < argc; i++) {
        if (!strcmp(argv[i], "--libev")) {
            info.options |= LWS_SERVER_OPTION_LIBEV;
        } else if (!strcmp(argv[i], "--deflate")) {
            deflate = true;
        } else if (!strcmp(argv[i], "--small")) {
            small = true;
        } else if (!strcmp(argv[i], "--cert") && i + 1 < argc) {
            info.ssl_cert_filepath = argv[++i];
            info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        } else if (!strcmp(argv[i], "--key") && i + 1 < argc) {
            info.ssl_private_key_filepath = argv[++i];
        } else {
            fprintf(stderr, "libwebsockets: what is %s?\n", argv[i]);
            return 2;
        }
    }
    // What is received is handed over in pieces of at most this size; each connection has a buffer
    // for one.
    struct lws_protocols protocols[] = {
        { .name = "echo",
          .callback = echo,
          .per_session_data_size = sizeof(struct session),
          .rx_buffer_size = small ? 128 : 16384 },
        { 0 },
    };
    const struct lws_extension extensions[] = {
        { "permessage-deflate", lws_extension_callback_pm_deflate, "permessage-deflate" },
        { 0 },
    };
    info.protocols = protocols;
    info.extensions = deflate ? extensions : NULL;
    info.pt_serv_buf_size = 16384;

    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context *context = lws_create_context(&info);
    struct lws_vhost *vhost = context ? lws_create_vhost(context, &info) : NULL;
    if (!vhost) {
        return 1;
    }
    printf("listening on %s://127.0.0.1:%d\n", info.ssl_cert_filepath ? "wss" : "ws",
           lws_get_vhost_listen_port(vhost));
    fflush(stdout);
    while (lws_service(context, 0) >= 0) {
    }
    lws_context_destroy(context);
}
