// A clock that nobody has set, preloaded into the agent: as many seconds behind this machine's as a file says. It is read
// each time, so that the clock can be set.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int answer = syscall(SYS_clock_gettime, clock, now);
    char seconds[24] = "";
    int file = clock == CLOCK_REALTIME ? open("/run/clock-is-behind", O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        if (read(file, seconds, sizeof seconds - 1) > 0)
            now->tv_sec -= atol(seconds);
        close(file);
    }
    return answer;
}
