// uWebSockets as a server: `uwebsockets PORT [plain|shared|own|publish] [CERT KEY]`. It echoes,
// compressing nothing, with the loop's compressor, or with one for each connection; or it publishes
// every message to everybody. Built for TLS, it takes a certificate and its key.
#include "App.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>

#ifdef LIBUS_NO_SSL
using Server = uWS::App;
#else
using Server = uWS::SSLApp;
#endif

int main(int argc, char **argv) {
    int port = argc > 1 ? atoi(argv[1]) : 0;
    std::string_view how = argc > 2 ? argv[2] : "plain";
    auto compression = how == "shared" ? uWS::SHARED_COMPRESSOR
        : how == "own" ? uWS::CompressOptions(uWS::DEDICATED_COMPRESSOR | uWS::DEDICATED_DECOMPRESSOR)
                       : uWS::DISABLED;
    bool compress = compression != uWS::DISABLED;
    bool publish = how == "publish";
    struct Session {};

    uWS::SocketContextOptions options;
    if (argc > 4) {
        options.cert_file_name = argv[3];
        options.key_file_name = argv[4];
    }
    Server server(options);
    server
        .ws<Session>("/*",
            { .compression = compression,
              .maxPayloadLength = 64 * 1024 * 1024,
              .idleTimeout = 120,
              .maxBackpressure = 64 * 1024 * 1024,
              .open = [publish](auto *ws) {
                  if (publish) {
                      ws->subscribe("all");
                  }
              },
              .message = [compress, publish, &server](auto *ws, std::string_view message, uWS::OpCode kind) {
                  if (publish) {
                      server.publish("all", message, kind, compress);
                  } else {
                      ws->send(message, kind, compress);
                  }
              } })
        .listen("127.0.0.1", port, [](auto *socket) {
            if (!socket) {
                exit(1);
            }
            constexpr int ssl = std::is_same_v<Server, uWS::SSLApp>;
            printf("listening on %s://127.0.0.1:%d\n", ssl ? "wss" : "ws",
                us_socket_local_port(ssl, (us_socket_t *)socket));
            fflush(stdout);
        })
        .run();
}
