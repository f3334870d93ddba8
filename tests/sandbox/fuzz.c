/* Makes system calls with random numbers and arguments, some of which are meaningful; arguments: seed, seconds, outside, pid. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t state;
static long supervisor;
static uint64_t draw(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}
static long argument(char *page, char *names[]) {
    switch (draw() % 10) {
    case 0: return 0;
    case 1: return draw() % 8;
    case 2: return (long)draw();
    case 3: return -(long)(draw() % 200);
    case 4: return 1L << draw() % 64;
    case 5: return (long)page;
    case 6: return (long)page + draw() % 4096;
    case 7: return (long)names[draw() % 3];
    case 8: return draw() % 4096;
    default: return supervisor;
    }
}
static int spared(long number) { /* what only ends this process, or stops it for long */
    static const long list[] = {SYS_exit, SYS_exit_group, SYS_rt_sigsuspend, SYS_rt_sigreturn, SYS_rt_sigtimedwait, SYS_ppoll,
                                SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, 424, SYS_pselect6, SYS_nanosleep, SYS_clock_nanosleep, SYS_futex, SYS_waitid, SYS_wait4, SYS_clone,
#ifdef SYS_pause
                                SYS_pause, SYS_poll, SYS_select, SYS_fork, SYS_vfork,
#endif
                                SYS_epoll_pwait};
    for (unsigned i = 0; i < sizeof list / sizeof *list; i++)
        if (list[i] == number) return 1;
    return 0;
}
static void calls(char *outside) {
    char victim[4096], *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    snprintf(victim, sizeof victim, "%s/victim", outside);
    char *names[] = {outside, victim, "/"};
    for (int k = 0; k < 3; k++) close(k);
    alarm(2);
    open(victim, O_RDONLY);
    for (int i = 0; i < 400; i++) {
        for (int k = 0; k < 512; k++) ((uint64_t *)page)[k] = draw() % 3 ? draw() % 64 : draw();
        long number = draw() % 480, a[6];
        for (int k = 0; k < 6; k++) a[k] = argument(page, names);
        if (!spared(number)) syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    }
    _exit(0);
}
int main(int count, char *words[]) {
    if (count < 5) return 2;
    supervisor = atol(words[4]);
    uint64_t seed = strtoull(words[1], NULL, 10), made = 0;
    time_t end = time(NULL) + atoi(words[2]);
    signal(SIGTERM, SIG_IGN), signal(SIGINT, SIG_IGN), signal(SIGHUP, SIG_IGN);
    while (time(NULL) < end) {
        state = ++seed * 0x9E3779B97F4A7C15u | 1;
        pid_t child = fork();
        if (child == 0) setsid(), calls(words[3]);
        /* A call may block for ever, and another may have taken the alarm away. */
        for (int n = 0; child > 0 && waitpid(child, NULL, WNOHANG) == 0; n++) {
            usleep(10000);
            if (n == 30) kill(child, SIGKILL);
        }
        made += child > 0;
    }
    printf("%llu\n", (unsigned long long)made);
    return 0;
}
