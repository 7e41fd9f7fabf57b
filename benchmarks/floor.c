/* The floor: a plain loop of send over all clients, one frame after another.
 *
 * No protocol, no allocation, no event loop: whatever sends one frame to each of N sockets cannot be faster than this
 * but by sending less often. Control (see benchmarks/floor.py, which speaks the same and is used without a compiler):
 * prints {"port": P}; for each line "round MESSAGES SIZE START_NS INTERVAL_NS" followed by MESSAGES*SIZE bytes it
 * sends message i to every client at START_NS + i*INTERVAL_NS of CLOCK_MONOTONIC and prints {"sent": MESSAGES}.
 * Clients are accepted when a line "accept N" asks for them. Ends with its input. Argument: most clients ever.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int listen_on_loopback(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1024))
        fail("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &size))
        fail("getsockname");
    printf("{\"port\": %d}\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static int accept_one(int listener) {
    int on = 1, client = accept(listener, NULL, NULL);
    if (client < 0)
        fail("accept");
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return client;
}

static void wait_until(long long due_ns) {
    struct timespec due = {.tv_sec = due_ns / 1000000000, .tv_nsec = due_ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
        ;
}

static void send_whole(int client, const char *data, size_t size) {
    while (size) {
        ssize_t done = send(client, data, size, MSG_NOSIGNAL);
        if (done < 0) {
            if (errno == EINTR)
                continue;
            fail("send");
        }
        data += done;
        size -= (size_t)done;
    }
}

int main(int argc, char **argv) {
    size_t most = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000, clients = 0;
    int *client = calloc(most, sizeof *client);
    int listener = listen_on_loopback();
    char line[256];
    if (!client)
        fail("calloc");
    while (fgets(line, sizeof line, stdin)) {
        size_t messages, size;
        long long start_ns, interval_ns;
        if (sscanf(line, "accept %zu", &messages) == 1) {
            for (size_t i = 0; i < messages && clients < most; i++)
                client[clients++] = accept_one(listener);
            printf("{\"accepted\": %zu}\n", clients);
        } else if (sscanf(line, "round %zu %zu %lld %lld", &messages, &size, &start_ns, &interval_ns) == 4) {
            char *data = malloc(messages * size + 1);
            if (!data || fread(data, size, messages, stdin) != messages)
                fail("frames");
            for (size_t i = 0; i < messages; i++) {
                wait_until(start_ns + (long long)i * interval_ns);
                for (size_t c = 0; c < clients; c++)
                    send_whole(client[c], data + i * size, size);
            }
            free(data);
            printf("{\"sent\": %zu}\n", messages);
        } else {
            fprintf(stderr, "unknown command: %s", line);
            return 2;
        }
        fflush(stdout);
    }
    return 0;
}
