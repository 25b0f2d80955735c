// uWebSockets as an echo server: `uwebsockets PORT [plain|shared|own]`, compressing nothing, with
// the loop's compressor, or with one for each connection.
#include "App.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>

int main(int argc, char **argv) {
    int port = argc > 1 ? atoi(argv[1]) : 0;
    std::string_view how = argc > 2 ? argv[2] : "plain";
    auto compression = how == "shared" ? uWS::SHARED_COMPRESSOR
        : how == "own" ? uWS::CompressOptions(uWS::DEDICATED_COMPRESSOR | uWS::DEDICATED_DECOMPRESSOR)
                       : uWS::DISABLED;
    bool compress = compression != uWS::DISABLED;
    struct Session {};

    uWS::App()
        .ws<Session>("/*",
            { .compression = compression,
              .maxPayloadLength = 64 * 1024 * 1024,
              .idleTimeout = 120,
              .maxBackpressure = 64 * 1024 * 1024,
              .message = [compress](auto *ws, std::string_view message, uWS::OpCode kind) {
                  ws->send(message, kind, compress);
              } })
        .listen("127.0.0.1", port, [](auto *socket) {
            if (!socket) {
                exit(1);
            }
            printf("listening on ws://127.0.0.1:%d\n", us_socket_local_port(0, (us_socket_t *)socket));
            fflush(stdout);
        })
        .run();
}
