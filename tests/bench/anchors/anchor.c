/* The least that a program in C needs for the same work. The argument is its part:
 *   signalfd       waits for a signal, and writes a record
 *   spawn COMMAND  waits for a signal, and starts a command that does
 *   child          writes a record, and sleeps until it is killed
 *   stamp          writes a record, and ends
 * A record is "CLOCK_MONOTONIC in nanoseconds, pid" as one line in the FIFO that BENCH_FIFO names. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int write_record(int fifo, long long when)
{
    char line[64];
    int length = snprintf(line, sizeof line, "%lld %d\n", when, (int)getpid());
    return write(fifo, line, length) != length;
}

static void tell_ready(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;
    if (!path)
        return;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    sendto(fd, "READY=1", 7, 0, (void *)&address, offsetof(struct sockaddr_un, sun_path) + strlen(path));
    close(fd);
}

int main(int count, char **words)
{
    long long begin = now();
    const char *part = count > 1 ? words[1] : "stamp", *path = getenv("BENCH_FIFO");
    int fifo = path ? open(path, O_WRONLY | O_CLOEXEC) : -1;
    sigset_t signals, none;
    posix_spawnattr_t attributes;

    if (fifo < 0)
        return 111;
    if (!strcmp(part, "stamp"))
        return write_record(fifo, begin);
    if (!strcmp(part, "child")) {
        write_record(fifo, begin);
        for (;;)
            pause();
    }
    sigemptyset(&none);
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    if (!strcmp(part, "signalfd")) {
        int fd = signalfd(-1, &signals, SFD_CLOEXEC);
        struct signalfd_siginfo info;
        tell_ready();
        while (read(fd, &info, sizeof info) == sizeof info)
            write_record(fifo, now());
        return 1;
    }
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    tell_ready();
    for (;;) {
        pid_t child;
        sigwaitinfo(&signals, NULL);
        if (!posix_spawn(&child, words[2], NULL, &attributes, words + 2, environ))
            waitpid(child, NULL, 0);
    }
}
