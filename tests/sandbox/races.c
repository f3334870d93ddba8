/* Attempts that change something while a call of theirs waits for its answer. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "attacks.h"

static volatile struct sockaddr_in flipping;
static volatile int stop, slot;
static int pair[2];

static void *swap_port(void *unused) {
    in_port_t good = htons(allowed), bad = htons(denied);
    (void)unused;
    while (!stop) flipping.sin_port = flipping.sin_port == good ? bad : good;
    return NULL;
}
static void *swap_descriptor(void *unused) {
    (void)unused;
    while (!stop) {
        dup2(pair[0], slot);
        dup2(pair[1], slot);
    }
    return NULL;
}
static void *swap_blocking(void *unused) {
    (void)unused;
    while (!stop) {
        int flags = fcntl(slot, F_GETFL);
        fcntl(slot, F_SETFL, flags ^ O_NONBLOCK);
    }
    return NULL;
}
static pthread_t begin(void *(*swap)(void *)) {
    pthread_t thread;
    stop = 0;
    pthread_create(&thread, NULL, swap, NULL);
    return thread;
}
static void end(pthread_t thread) {
    stop = 1;
    pthread_join(thread, NULL);
}
static int at_denied(int fd) {
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    return getpeername(fd, (void *)&peer, &length) == 0 && ntohs(peer.sin_port) == denied;
}
static int verdict(int reached) {
    errno = EACCES;
    return reached ? 0 : -1;
}

static int race_address(double seconds) {
    int reached = 0;
    struct timespec first, now;
    struct sockaddr_in a = v4("127.0.0.1", allowed);
    memcpy((void *)&flipping, &a, sizeof a);
    pthread_t thread = begin(swap_port);
    clock_gettime(CLOCK_MONOTONIC, &first);
    do {
        int fd = tcp(AF_INET);
        if (connect(fd, (void *)&flipping, sizeof flipping) == 0) reached += at_denied(fd);
        close(fd);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - first.tv_sec) + (now.tv_nsec - first.tv_nsec) / 1e9 < seconds);
    end(thread);
    return verdict(reached);
}
static int race_descriptor(double seconds) {
    struct sockaddr_in a = v4("127.0.0.1", denied), good = v4("127.0.0.1", allowed);
    int reached = 0;
    struct timespec first, now;
    slot = dup(0);
    clock_gettime(CLOCK_MONOTONIC, &first);
    do {
        pair[0] = tcp(AF_INET);
        pair[1] = tcp(AF_INET);
        connect(pair[1], (void *)&good, sizeof good);
        dup2(pair[0], slot);
        pthread_t thread = begin(swap_descriptor);
        for (int n = 0; n < 10; n++) reached += connect(slot, (void *)&a, sizeof a) == 0;
        end(thread);
        reached += at_denied(pair[0]);
        close(pair[0]);
        close(pair[1]);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - first.tv_sec) + (now.tv_nsec - first.tv_nsec) / 1e9 < seconds);
    close(slot);
    return verdict(reached);
}
static int flip_blocking(void) {
    struct sockaddr_in a = v4("127.0.0.1", allowed), bad = v4("127.0.0.1", denied);
    int reached = 0;
    for (int n = 0; n < 200; n++) {
        slot = tcp(AF_INET);
        pthread_t thread = begin(swap_blocking);
        connect(slot, (void *)(n % 2 ? &a : &bad), sizeof a);
        end(thread);
        reached += at_denied(slot);
        close(slot);
    }
    return verdict(reached);
}
static void nothing(int number) { (void)number; }
static int interrupted(int port) {
    struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    int failed = 0;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int n = 0; n < 200 && !failed; n++)
        if (reach4("127.0.0.1", port) < 0) failed = errno;
    setitimer(ITIMER_REAL, &never, NULL);
    errno = failed;
    return failed ? -1 : 0;
}
static int killed_between(void) {
    for (int n = 0; n < 50; n++) {
        pid_t child = fork();
        if (child == 0) {
            int fd = tcp(AF_INET);
            struct sockaddr_in a = v4("127.0.0.1", denied);
            if (n % 2) kill(getpid(), SIGKILL);
            for (;;) connect(fd, (void *)&a, sizeof a);
        }
        usleep(n % 2 ? 0 : 200 * (n % 10));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    return reach4("127.0.0.1", allowed);
}

/* A folder of ours and a link to the one outside change names while sockets are bound below. */
static char folder[2][4096];
static void *swap_folders(void *unused) {
    (void)unused;
    while (!stop) renameat2(AT_FDCWD, folder[0], AT_FDCWD, folder[1], RENAME_EXCHANGE);
    return NULL;
}
static int race_bind(double seconds, const char *inside, const char *outside) {
    int reached = 0;
    struct timespec first, now;
    snprintf(folder[0], sizeof folder[0], "%s/f", inside);
    snprintf(folder[1], sizeof folder[1], "%s/g", inside);
    if (mkdir(folder[0], 0700) || symlink(outside, folder[1])) return -1;
    pthread_t thread = begin(swap_folders);
    clock_gettime(CLOCK_MONOTONIC, &first);
    int n = 0;
    do {
        struct sockaddr_un u = {.sun_family = AF_UNIX};
        char made[4096];
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        snprintf(u.sun_path, sizeof u.sun_path, "%.90s/%d", folder[0], n);
        bind(fd, (void *)&u, sizeof u);
        close(fd);
        snprintf(made, sizeof made, "%s/%d", outside, n);
        reached += access(made, F_OK) == 0;
        unlink(made);
        unlink(u.sun_path);
        n++;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (!reached && (now.tv_sec - first.tv_sec) + (now.tv_nsec - first.tv_nsec) / 1e9 < seconds);
    end(thread);
    return verdict(reached);
}

void races(double seconds, const char *inside, const char *outside) {
    TRY("race on the address", race_address(seconds));
    TRY("race on the descriptor", race_descriptor(seconds));
    TRY("race on blocking", flip_blocking());
    TRY("race on a bound path", race_bind(seconds, inside, outside));
    TRY("+connect after it", reach4("127.0.0.1", allowed));
    TRY("+interrupted connects", interrupted(allowed));
    TRY("interrupted connects denied", interrupted(denied));
    TRY("+connect after programs were killed between socket and connect", killed_between());
}
