/* Makes each flush of the disk take longer, by the microseconds in FLUSH_US. Loaded before the C library (LD_PRELOAD). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static int slowly(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    const char *said = getenv("FLUSH_US");
    long us = said ? atol(said) : 0;
    struct timespec pause = { us / 1000000, us % 1000000 * 1000 };
    int result = real(fd);
    nanosleep(&pause, NULL);
    return result;
}

int fsync(int fd) { return slowly("fsync", fd); }
int fdatasync(int fd) { return slowly("fdatasync", fd); }
