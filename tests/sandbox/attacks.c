/* Tries to get out, one attempt a line: `NAME errno` with 0 for success. Arguments: allowed port, denied port, a
 * writable folder, a folder outside, the supervisor's process, seconds to race, a copy of this program that nobody may
 * read. With a port alone: connects there and exits with errno. Reaches 127.0.0.0/8 and ::1 only.
 * Names: `+` must work inside too, `?` need not work outside, of `~` only what it reaches is judged. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "attacks.h"

int allowed, denied, supervisor;
static const char *inside, *outside;
static char path[4096];

void say(const char *name, long result) {
    int code = errno;
    printf("%s %d\n", name, result >= 0 ? 0 : code);
    fflush(stdout);
}

static const char *at(const char *folder, const char *name) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}
struct sockaddr_in v4(const char *host, int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, host, &a.sin_addr);
    return a;
}
static struct sockaddr_in6 v6(const char *host, int port) {
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    inet_pton(AF_INET6, host, &a.sin6_addr);
    return a;
}
int tcp(int family) { return socket(family, SOCK_STREAM, 0); }
int reach4(const char *host, int port) {
    struct sockaddr_in a = v4(host, port);
    int fd = tcp(AF_INET);
    if (fd < 0) return -1;
    int result = connect(fd, (void *)&a, sizeof a), code = errno;
    close(fd);
    errno = code;
    return result;
}
static int reach6(const char *host, int port) {
    struct sockaddr_in6 a = v6(host, port);
    int fd = tcp(AF_INET6);
    if (fd < 0) return -1;
    int result = connect(fd, (void *)&a, sizeof a), code = errno;
    close(fd);
    errno = code;
    return result;
}

static void addresses(void) {
    static const char *loop[] = {"127.0.0.2", "127.0.1.1", "127.255.255.254", "127.16.9.254", "127.0.0.3", "127.1.2.3"};
    char name[64];
    TRY("+connect allowed", reach4("127.0.0.1", allowed));
    TRY("+connect allowed mapped", reach6("::ffff:127.0.0.1", allowed));
    TRY("connect denied port", reach4("127.0.0.1", denied));
    TRY("connect denied port mapped", reach6("::ffff:127.0.0.1", denied));
    TRY("connect unspecified", reach4("0.0.0.0", denied));
    TRY("connect unspecified allowed port", reach4("0.0.0.0", allowed));
    TRY("connect unspecified mapped", reach6("::ffff:0.0.0.0", denied));
    TRY("connect unspecified v6", reach6("::", denied));
    TRY("connect unspecified v6 allowed port", reach6("::", allowed));
    TRY("connect v6 loopback", reach6("::1", denied));
    TRY("connect v6 loopback allowed port", reach6("::1", allowed));
    for (unsigned i = 0; i < sizeof loop / sizeof *loop; i++) {
        snprintf(name, sizeof name, "connect %s denied port", loop[i]);
        TRY(name, reach4(loop[i], denied));
        snprintf(name, sizeof name, "connect %s allowed port", loop[i]);
        TRY(name, reach4(loop[i], allowed));
    }
    TRY("?connect v4-compatible", reach6("::127.0.0.1", denied));
    TRY("?connect port 0", reach4("127.0.0.1", 0));
}

static void malformed(void) {
    struct sockaddr_in a = v4("127.0.0.1", denied);
    struct { struct sockaddr_in6 a; char rest[100]; } big = {.a = v6("::1", denied)};
    int fd = tcp(AF_INET), pair[2];
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(page + 4096, 4096, PROT_NONE);
    memcpy(page + 4096 - sizeof a, &a, sizeof a);
    TRY("?connect unspecified family", connect(fd, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr)));
    TRY("?connect null", syscall(SYS_connect, fd, NULL, 16));
    TRY("?connect wild pointer", syscall(SYS_connect, fd, 0x10UL, 16));
    TRY("?connect kernel pointer", syscall(SYS_connect, fd, 0xffff888000000000UL, 16));
    TRY("?connect short", connect(fd, (void *)&a, 8));
    TRY("?connect length 0", connect(fd, (void *)&a, 0));
    TRY("?connect length 4096", connect(fd, (void *)&a, 4096));
    TRY("?connect length -1", syscall(SYS_connect, fd, &a, -1));
    TRY("?connect length 128 at page end", syscall(SYS_connect, fd, page + 4096 - sizeof a, 128));
    TRY("?connect bad descriptor", connect(999, (void *)&a, sizeof a));
    TRY("?connect negative descriptor", connect(-1, (void *)&a, sizeof a));
    TRY("?connect standard input", connect(0, (void *)&a, sizeof a));
    if (pipe(pair) == 0) TRY("?connect pipe", connect(pair[0], (void *)&a, sizeof a));
    TRY("connect high bits in descriptor", syscall(SYS_connect, (0xdeadUL << 32) | fd, &a, sizeof a));
    fd = tcp(AF_INET6);
    TRY("?connect long v6", connect(fd, (void *)&big, sizeof big));
    struct sockaddr_un u = {.sun_family = AF_UNIX};
    strcpy(u.sun_path, "/run/none");
    TRY("?connect path on TCP socket", connect(tcp(AF_INET), (void *)&u, sizeof u));
}

static void fast_open(void) {
    struct sockaddr_in a = v4("127.0.0.1", denied);
    struct iovec v = {.iov_base = "x", .iov_len = 1};
    struct mmsghdr many = {.msg_hdr = {.msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &v, .msg_iovlen = 1}};
    int one = 1, fd;
    TRY("sendto fast open", sendto(tcp(AF_INET), "x", 1, MSG_FASTOPEN, (void *)&a, sizeof a));
    TRY("sendmsg fast open", sendmsg(tcp(AF_INET), &many.msg_hdr, MSG_FASTOPEN));
    TRY("sendmmsg fast open", sendmmsg(tcp(AF_INET), &many, 1, MSG_FASTOPEN));
    TRY("?sendto address without flag", sendto(tcp(AF_INET), "x", 1, MSG_NOSIGNAL, (void *)&a, sizeof a));
    TRY("?sendmsg address without flag", sendmsg(tcp(AF_INET), &many.msg_hdr, MSG_NOSIGNAL));
    fd = tcp(AF_INET);
    setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof one);
    TRY("connect fast open option", connect(fd, (void *)&a, sizeof a));
    TRY("send after it", send(fd, "x", 1, MSG_NOSIGNAL));
    fd = tcp(AF_INET);
    setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof one);
    a.sin_port = htons(allowed);
    TRY("+connect fast open option allowed", connect(fd, (void *)&a, sizeof a));
    TRY("+send after it allowed", send(fd, "x", 1, MSG_NOSIGNAL));
}

static void families(void) {
    static const struct { const char *name; int family, type, protocol; } rows[] = {
        {"socket UDP", AF_INET, SOCK_DGRAM, 0}, {"socket UDP v6", AF_INET6, SOCK_DGRAM, 0},
        {"?socket raw", AF_INET, SOCK_RAW, 1}, {"?socket raw v6", AF_INET6, SOCK_RAW, 58},
        {"?socket ping", AF_INET, SOCK_DGRAM, 1}, {"?socket packet", AF_PACKET, SOCK_RAW, 0},
        {"socket netlink route", AF_NETLINK, SOCK_RAW, 0}, {"socket netlink audit", AF_NETLINK, SOCK_RAW, 9},
        {"socket netlink sock_diag", AF_NETLINK, SOCK_RAW, 4}, {"socket netlink uevent", AF_NETLINK, SOCK_DGRAM, 15},
        {"~socket unix stream", AF_UNIX, SOCK_STREAM, 0}, {"socket unix datagram", AF_UNIX, SOCK_DGRAM, 0},
        {"~socket unix seqpacket", AF_UNIX, SOCK_SEQPACKET, 0}, {"socket vsock", 40, SOCK_STREAM, 0},
        {"socket MPTCP", AF_INET, SOCK_STREAM, 262}, {"socket MPTCP v6", AF_INET6, SOCK_STREAM, 262},
        {"?socket SCTP", AF_INET, SOCK_STREAM, 132}, {"?socket SCTP seqpacket", AF_INET, SOCK_SEQPACKET, 132},
        {"?socket ALG", 38, SOCK_SEQPACKET, 0}, {"?socket SMC", 43, SOCK_STREAM, 0}, {"?socket XDP", 44, SOCK_RAW, 0},
        {"?socket TIPC", 30, SOCK_STREAM, 0}, {"?socket bluetooth", 31, SOCK_RAW, 1}, {"?socket CAN", 29, SOCK_RAW, 1},
        {"?socket DCCP", AF_INET, SOCK_DCCP, 33}, {"?socket UDP-Lite", AF_INET, SOCK_DGRAM, 136},
        {"?socket L2TP", AF_INET, SOCK_DGRAM, 115}, {"?socket kcm", 41, SOCK_DGRAM, 0}, {"?socket QIPCRTR", 42, SOCK_DGRAM, 0},
        {"?socket family 0", 0, SOCK_STREAM, 0}, {"?socket family 9999", 9999, SOCK_STREAM, 0},
        {"socket datagram with flag bits", AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0},
        {"?socket type 0", AF_INET, 0, 0}, {"?socket rdm", AF_INET, SOCK_RDM, 0},
        {"?socket datagram with wild type bits", AF_INET, SOCK_DGRAM | 0x100, 0},
    };
    int pair[2];
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        TRY(rows[i].name, socket(rows[i].family, rows[i].type, rows[i].protocol));
    TRY("socketpair datagram", socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    TRY("?socketpair inet", socketpair(AF_INET, SOCK_STREAM, 0, pair));
    TRY("+socketpair stream", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    struct sockaddr_un u = {.sun_family = AF_UNIX};
    snprintf(u.sun_path, sizeof u.sun_path, "%s/s", outside);
    TRY("?connect a pair's end to a path", connect(pair[0], (void *)&u, sizeof u));
    TRY("socket high bits in family", syscall(SYS_socket, 0xdead00000000UL | AF_INET, SOCK_DGRAM, 0));
    TRY("socket high bits in type", syscall(SYS_socket, AF_INET, 0xdead00000000UL | SOCK_DGRAM, 0));
}

static int unix_at(int (*use)(int, const struct sockaddr *, socklen_t), int type, const char *where) {
    struct sockaddr_un u = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type, 0), length = snprintf(u.sun_path, sizeof u.sun_path, "%s", where);
    if (*where == '@') u.sun_path[0] = 0;
    int result = use(fd, (void *)&u, offsetof(struct sockaddr_un, sun_path) + length + (*where != '@'));
    return result < 0 ? result : fd;
}

static void unix_sockets(void) {
    char door[100], name[120];
    struct sockaddr_in here = v4("127.0.0.1", allowed);
    snprintf(door, sizeof door, "%s/../door", outside);
    TRY("connect unix", unix_at(connect, SOCK_STREAM, door));
    snprintf(name, sizeof name, "@%s", door);
    TRY("connect unix abstract", unix_at(connect, SOCK_STREAM, name));
    TRY("connect unix by a link", symlink(door, at(inside, "door")) == 0 ? unix_at(connect, SOCK_STREAM, path) : -1);
    unlink(at(inside, "door"));
    TRY("connect unix by a hard link", link(door, at(inside, "door")) == 0 ? unix_at(connect, SOCK_STREAM, path) : -1);
    unlink(at(inside, "door"));
    snprintf(name, sizeof name, "/proc/self/root%s", door);
    TRY("connect unix by the root's name", unix_at(connect, SOCK_STREAM, name));
    TRY("bind unix outside", unix_at(bind, SOCK_STREAM, at(outside, "s")));
    TRY("bind unix packets outside", unix_at(bind, SOCK_SEQPACKET, at(outside, "p")));
    TRY("bind unix through a link", symlink(outside, at(inside, "way")) == 0 ? unix_at(bind, SOCK_STREAM, at(inside, "way/l")) : -1);
    for (const char *one = "spl"; *one; one++) unlink(at(outside, (char[2]){*one, 0}));
    snprintf(name, sizeof name, "@x07-attack-%d", supervisor);
    TRY("bind unix abstract", unix_at(bind, SOCK_STREAM, name));
    TRY("bind unix to a name of the kernel's", bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&(sa_family_t){AF_UNIX}, sizeof(sa_family_t)));
    TRY("?listen unix unbound", listen(socket(AF_UNIX, SOCK_STREAM, 0), 1));
    TRY("?connect TCP on a unix socket", connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&here, sizeof here));
    TRY("?bind TCP on a unix socket", bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&here, sizeof here));
}

static void listening(void) {
    struct sockaddr_in a = v4("127.0.0.1", 0);
    TRY("bind loopback", bind(tcp(AF_INET), (void *)&a, sizeof a));
    a = v4("0.0.0.0", 0);
    TRY("bind any", bind(tcp(AF_INET), (void *)&a, sizeof a));
    TRY("listen unbound", listen(tcp(AF_INET), 1));
    TRY("listen unbound v6", listen(tcp(AF_INET6), 1));
    TRY("?accept", accept(tcp(AF_INET), NULL, NULL));
}

static void options(void) {
    static const struct { const char *name; int level, option; } rows[] = {
        {"?option LSRR", IPPROTO_IP, IP_OPTIONS}, {"option BINDTODEVICE", SOL_SOCKET, SO_BINDTODEVICE},
        {"?option REPAIR", IPPROTO_TCP, TCP_REPAIR}, {"?option ULP", IPPROTO_TCP, TCP_ULP}, {"?option MARK", SOL_SOCKET, SO_MARK},
        {"?option TRANSPARENT", IPPROTO_IP, IP_TRANSPARENT}, {"?option RTHDR", IPPROTO_IPV6, IPV6_RTHDR},
        {"?option BINDTOIFINDEX", SOL_SOCKET, 62}, {"?option MD5SIG", IPPROTO_TCP, 14}, {"?option level 132", 132, 110},
        {"?option level 99", 99, 1}, {"?option ATTACH_BPF", SOL_SOCKET, 50}, {"?option netfilter", IPPROTO_IP, 64},
        {"?option hop limits", IPPROTO_IPV6, 54}, {"?option FREEBIND", IPPROTO_IP, 15},
    };
    char value[40] = {0};
    int one = 1;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        TRY(rows[i].name, setsockopt(tcp(AF_INET), rows[i].level, rows[i].option, value, sizeof value));
    TRY("+option NODELAY", setsockopt(tcp(AF_INET), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
    TRY("+option KEEPALIVE", setsockopt(tcp(AF_INET), SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one));
    TRY("+option TOS", setsockopt(tcp(AF_INET), IPPROTO_IP, IP_TOS, &one, sizeof one));
}

static int child_of(long flags) {
    long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    if (pid > 0) waitpid(pid, NULL, 0);
    return pid;
}
static int in_child(int (*attempt)(void)) {
    pid_t pid = fork();
    if (pid == 0) _exit(attempt() < 0 ? errno : 0);
    int status;
    waitpid(pid, &status, 0);
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : 200;
    return errno ? -1 : 0;
}
static int untraced_connect(void) {
    long pid = syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) _exit(reach4("127.0.0.1", denied) < 0 ? errno : 0);
    int status;
    waitpid(pid, &status, 0);
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : 200;
    return errno ? -1 : 0;
}
static int own_listener(void) {
    struct sock_filter f = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog p = {.len = 1, .filter = &f};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &p);
}
static int allow_all_then_connect(void) {
    struct sock_filter f = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog p = {.len = 1, .filter = &f};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p);
    return reach4("127.0.0.1", denied);
}
static int undumpable_connect(void) {
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    return reach4("127.0.0.1", denied);
}
static int undumpable_connect_allowed(void) {
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    return reach4("127.0.0.1", allowed);
}
static const char *unreadable;
static int unreadable_connect(void) {
    char port[16];
    snprintf(port, sizeof port, "%d", denied);
    return execl(unreadable, unreadable, port, NULL);
}
static int unshared_files_connect(void) { return unshare(CLONE_FILES) < 0 && errno != EPERM ? -1 : reach4("127.0.0.1", denied); }
static int any_core(void) {
    struct rlimit none = {0, 0}, now = {0, 0};
    int set = setrlimit(RLIMIT_CORE, &none), asked = getrlimit(RLIMIT_CORE, &now);
    errno = EPERM;
    return set || asked || now.rlim_cur == 1 ? -1 : 0;
}
static int any_core_by_call(void) {
    struct rlimit none = {0, 0}, now = {0, 0};
    long set = syscall(SYS_prlimit64, 0, RLIMIT_CORE, &none, NULL) | syscall(SYS_prlimit64, 0, RLIMIT_CORE, &none, &now);
    getrlimit(RLIMIT_CORE, &now);
    return (set < 0 && errno != EPERM) || now.rlim_cur == 1 ? -1 : 0;
}
static int core_with_memory(void) {
    char text[32] = "0";
    int fd = open("/proc/self/coredump_filter", O_RDONLY);
    if (read(fd, text, sizeof text - 1) < 1) return -1;
    errno = EPERM;
    return strtol(text, NULL, 16) ? 0 : -1;
}
static int knowledge_of_the_machine(void) {
    static const char *names[] = {"keys", "key-users", "kpagecount", "kpageflags", "timer_list", "slabinfo", "vmallocinfo", "kallsyms"};
    char name[64], byte;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(name, sizeof name, "/proc/%s", names[i]);
        int fd = open(name, O_RDONLY);
        if (fd >= 0 && pread(fd, &byte, 1, 0) == 1) return 0;
    }
    errno = EACCES;
    return -1;
}
static int unshare_all(void) { return unshare(CLONE_NEWUSER | CLONE_NEWNET); }
static int unshare_user(void) { return unshare(CLONE_NEWUSER); }
static int read_implies_exec(void) { return syscall(SYS_personality, 0x0400000); }

#ifdef __x86_64__
static long i386(long number, long first, long second, long third) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(first), "c"(second), "d"(third) : "memory", "r8", "r9", "r10", "r11");
    errno = result < 0 ? -result : 0;
    return result < 0 ? -1 : result;
}
static int i386_socket(void) { return i386(359, AF_INET, SOCK_DGRAM, 0); }
static int i386_socketcall(void) {
    int *arguments = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    memcpy(arguments, (int[]){AF_INET, SOCK_DGRAM, 0}, 12);
    return i386(102, 1, (long)arguments, 0);
}
static int i386_unshare(void) { return i386(310, CLONE_NEWUSER, 0, 0); }
static int i386_getpid(void) { return i386(20, 0, 0, 0); }
static int x32_socket(void) { return syscall(0x40000000 | SYS_socket, AF_INET, SOCK_DGRAM, 0); }
static void foreign(void) {
    TRY("i386 socket", in_child(i386_socket));
    TRY("i386 socketcall", in_child(i386_socketcall));
    TRY("i386 unshare", in_child(i386_unshare));
    TRY("i386 getpid", in_child(i386_getpid));
    TRY("?x32 socket", in_child(x32_socket));
}
#elif defined __aarch64__
/* Runs a program of the processor's 32-bit half that makes one call and exits with its error number; `first` is an
 * immediate operand as the instruction has it: eight bits, above them half of how far they are rotated right. */
static int aarch32(unsigned number, unsigned first, unsigned second) {
    enum { BASE = 0x10000 };
    struct { Elf32_Ehdr file; Elf32_Phdr load; unsigned code[10]; } program = {
        .file = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT}, .e_type = ET_EXEC, .e_machine = EM_ARM,
                 .e_version = EV_CURRENT, .e_entry = BASE + offsetof(typeof(program), code), .e_phoff = sizeof(Elf32_Ehdr),
                 .e_flags = EF_ARM_EABI_VER5, .e_ehsize = sizeof(Elf32_Ehdr), .e_phentsize = sizeof(Elf32_Phdr), .e_phnum = 1},
        .load = {.p_type = PT_LOAD, .p_vaddr = BASE, .p_paddr = BASE, .p_filesz = sizeof program, .p_memsz = sizeof program,
                 .p_flags = PF_R | PF_X, .p_align = 0x1000},
        .code = {0xe3a00000 | first, 0xe3a01000 | second, 0xe3a02000, 0xe3007000 | number, /* mov r0, r1, r2, r7 */
                 0xef000000, 0xe3500000, 0xa3a00000, 0xb2600000, /* svc; cmp r0, #0; movge r0, #0; rsblt r0, r0, #0 */
                 0xe3a07001, 0xef000000}, /* mov r7, #1 (exit); svc */
    };
    int fd = memfd_create("aarch32", 0);
    if (write(fd, &program, sizeof program) != sizeof program) return -1;
    return fexecve(fd, (char *[]){"aarch32", NULL}, (char *[]){NULL});
}
static int aarch32_socket(void) { return aarch32(281, AF_INET, SOCK_DGRAM); }
static int aarch32_unshare(void) { return aarch32(337, 0x201 /* CLONE_NEWUSER */, 0); }
static int aarch32_getpid(void) { return aarch32(20, 0, 0); }
static void foreign(void) {
    TRY("aarch32 socket", in_child(aarch32_socket));
    TRY("aarch32 unshare", in_child(aarch32_unshare));
    TRY("aarch32 getpid", in_child(aarch32_getpid));
}
#endif
static int readable_victim(void) { return open("/usr/bin/env", O_RDONLY); }
static int victim_outside(void) {
    char name[4096];
    snprintf(name, sizeof name, "%s/victim", outside);
    int fd = open(name, O_RDONLY);
    return fd >= 0 ? fd : readable_victim();
}
static int set_flags(void) { long flags = 0x40 | 0x80; return ioctl(victim_outside(), 0x40086602, &flags); }
static int set_version(void) { int version = 7; return ioctl(victim_outside(), 0x40087602, &version); }
static int lease(void) {
    int fd = victim_outside(), result = fcntl(fd, 1024 /* F_SETLEASE */, F_RDLCK), code = errno;
    close(fd); /* which ends the lease */
    errno = code;
    return result;
}
static int notify(void) {
    int fd = open("/", O_RDONLY), result = fcntl(fd, F_NOTIFY, DN_CREATE), code = errno;
    close(fd);
    errno = code;
    return result;
}
static int set_hint(void) { unsigned long hint = 2; return fcntl(victim_outside(), 1036 /* F_SET_RW_HINT */, &hint); }
static int watch(const char *folder) { return inotify_add_watch(inotify_init1(0), folder, 0x100 /* IN_CREATE */); }
static int read_attribute(void) {
    char value[64], name[4096];
    snprintf(name, sizeof name, "%s/victim", outside);
    return getxattr(name, "user.x07", value, sizeof value) < 0 ? -1 : 0;
}
static int set_processors(int pid) {
    cpu_set_t all;
    memset(&all, 0xff, sizeof all);
    return sched_setaffinity(pid, sizeof all, &all);
}
static int interface_data(void) {
    char request[40] = "lo";
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return -1;
    return ioctl(pair[0], 0x8927 /* SIOCGIFHWADDR */, request);
}
static int read_child(void) {
    char mine = 'x', theirs = 0;
    pid_t child = fork();
    if (child == 0) pause();
    struct iovec here = {&theirs, 1}, there = {&mine, 1};
    int result = process_vm_readv(child, &here, 1, &there, 1, 0), code = errno;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    errno = code;
    return result;
}

static void kernel(void) {
    char buffer[256] = {0};
    int mount_id;
    struct rlimit r = {64, 64};
    struct iovec v = {buffer, 8}, there = {(void *)&allowed, 8};
    TRY("io_uring_setup", syscall(425, 1, buffer));
    TRY("?io_uring_enter", syscall(426, 0, 0, 0, 0, 0, 0));
    TRY("?io_uring_register", syscall(427, 0, 0, 0, 0));
    TRY("?unknown system call", syscall(999));
    TRY("?clone3", syscall(435, buffer, 8));
    TRY("unshare user and network", in_child(unshare_all));
    TRY("unshare user", in_child(unshare_user));
    TRY("clone new user", child_of(CLONE_NEWUSER));
    TRY("?setns", setns(0, 0));
    TRY("?ptrace supervisor", ptrace(PTRACE_SEIZE, supervisor, 0, 0));
    TRY("?read supervisor's memory", process_vm_readv(supervisor, &v, 1, &there, 1, 0));
    TRY("?write supervisor's memory", process_vm_writev(supervisor, &v, 1, &there, 1, 0));
    TRY("?kcmp", syscall(SYS_kcmp, getpid(), supervisor, 0, 0, 0));
    TRY("?pidfd_getfd", syscall(438, syscall(SYS_pidfd_open, supervisor, 0), 0, 0));
    TRY("prlimit supervisor", syscall(SYS_prlimit64, supervisor, RLIMIT_CORE, NULL, &r));
    snprintf(path, sizeof path, "/proc/%d/mem", supervisor);
    TRY("open supervisor's memory", open(path, O_RDWR));
    TRY("open supervisor's memory for reading", open(path, O_RDONLY));
    snprintf(path, sizeof path, "/proc/%d/environ", supervisor);
    TRY("read supervisor's environment", open(path, O_RDONLY));
    snprintf(path, sizeof path, "/proc/%d/fd/0", supervisor);
    TRY("open supervisor's descriptor", open(path, O_RDONLY));
    snprintf(path, sizeof path, "/proc/%d/root/etc", supervisor);
    TRY("walk through supervisor's root", open(path, O_RDONLY));
    snprintf(path, sizeof path, "/proc/%d/maps", supervisor);
    TRY("read supervisor's map", open(path, O_RDONLY));
    TRY("signal supervisor", kill(supervisor, 0));
    TRY("signal supervisor by descriptor", syscall(SYS_pidfd_send_signal, syscall(SYS_pidfd_open, supervisor, 0), 0, NULL, 0));
    TRY("~signal everybody", kill(-1, 0));
    TRY("tgkill supervisor", syscall(SYS_tgkill, supervisor, supervisor, 0));
    TRY("queue a signal to supervisor", sigqueue(supervisor, 0, (union sigval){0}));
    TRY("?bpf", syscall(SYS_bpf, 0, buffer, sizeof buffer));
    TRY("?perf_event_open", syscall(SYS_perf_event_open, buffer, 0, -1, -1, 0));
    TRY("userfaultfd", syscall(SYS_userfaultfd, 1));
    TRY("keyctl", syscall(SYS_keyctl, 0, -3, 1));
    TRY("?add_key", syscall(SYS_add_key, "user", "x07", "x", 1, -3));
    TRY("?mount", mount("none", "/nowhere", "tmpfs", 0, NULL));
    TRY("?umount", umount2("/nowhere", MNT_DETACH));
    TRY("?fsopen", syscall(430, "tmpfs", 0));
    TRY("?move_mount", syscall(429, -1, "", -1, "", 0));
    TRY("?open_tree", syscall(428, -100, "/", 1));
    TRY("?pivot_root", syscall(SYS_pivot_root, inside, inside));
    TRY("?chroot", chroot("/nowhere"));
    TRY("?open_by_handle_at", open_by_handle_at(AT_FDCWD, (void *)buffer, 0));
    TRY("?name_to_handle_at", syscall(SYS_name_to_handle_at, AT_FDCWD, "/", buffer, &mount_id, 0));
    TRY("shmget", shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600));
    TRY("?semget", syscall(SYS_semget, IPC_PRIVATE, 1, 0600));
    TRY("?msgget", syscall(SYS_msgget, IPC_PRIVATE, 0600));
    TRY("?mq_open", syscall(SYS_mq_open, "x07", O_RDWR | O_CREAT, 0600, NULL));
    TRY("?memfd_secret", syscall(447, 0));
    TRY("?process_madvise", syscall(440, -1, 0, 0, 0, 0));
    TRY("?init_module", syscall(SYS_init_module, buffer, 0, ""));
    TRY("?finit_module", syscall(SYS_finit_module, 0, "", 0));
    TRY("?delete_module", syscall(SYS_delete_module, "none", 0));
    TRY("?kexec_load", syscall(SYS_kexec_load, 0, 0, 0, 0));
    TRY("?settimeofday", syscall(SYS_settimeofday, 0x10UL, NULL));
    TRY("?clock_settime", syscall(SYS_clock_settime, 0, NULL));
    TRY("?adjtimex", syscall(SYS_adjtimex, NULL));
    TRY("?reboot", syscall(SYS_reboot, 0, 0, 0, 0));
    TRY("?swapon", syscall(SYS_swapon, "/none", 0));
    TRY("?acct", syscall(SYS_acct, "/none"));
    TRY("?quotactl", syscall(SYS_quotactl, 0, NULL, 0, NULL));
    TRY("?syslog", syscall(SYS_syslog, 3, buffer, 10));
    TRY("?set flags of a file that is readable", set_flags());
    TRY("?set the version of a file that is readable", set_version());
    TRY("lease on a file that is readable", lease());
    TRY("?ask for a signal at changes of a folder", notify());
    TRY("?set a hint on a file that is readable", set_hint());
    TRY("watch a folder outside", watch(outside));
    TRY("~watch a folder inside", watch(inside));
    TRY("?read an attribute outside", read_attribute());
    TRY("priority of another process", setpriority(PRIO_PROCESS, supervisor, getpriority(PRIO_PROCESS, supervisor)));
    TRY("priority of all of this user's", setpriority(PRIO_USER, 0, getpriority(PRIO_PROCESS, 0)));
    TRY("processors of another process", set_processors(supervisor));
    TRY("policy of another process", sched_setscheduler(supervisor, SCHED_OTHER, &(struct sched_param){0}));
    TRY("parameters of another process", sched_setparam(supervisor, &(struct sched_param){0}));
    TRY("I/O priority of another process", syscall(SYS_ioprio_set, 1, supervisor, 3 << 13));
    snprintf(path, sizeof path, "/proc/%d/cmdline", supervisor);
    TRY("read supervisor's command line", open(path, O_RDONLY));
    TRY("data of an interface", interface_data());
    TRY("?sethostname", syscall(SYS_sethostname, "x", -1L));
    TRY("?inject a key", ioctl(0, 0x5412, "x"));
    TRY("?inject a key, high bits", syscall(SYS_ioctl, 0, (1UL << 32) | 0x5412, "x"));
    TRY("?terminal selection", ioctl(0, 0x541C, buffer));
    TRY("have a crash start a handler", in_child(any_core));
    TRY("have a crash start a handler, by both ways", in_child(any_core_by_call));
    TRY("?have a crash tell memory", in_child(core_with_memory));
    TRY("have a crash tell more", open("/proc/self/coredump_filter", O_WRONLY));
    TRY("?read what the machine alone knows", knowledge_of_the_machine());
    TRY("personality", in_child(read_implies_exec));
    TRY("own listener", in_child(own_listener));
    TRY("allow-all filter, then connect", in_child(allow_all_then_connect));
    TRY("not dumpable, then connect", in_child(undumpable_connect));
    TRY("~not dumpable, then connect allowed", in_child(undumpable_connect_allowed));
    TRY("unreadable program, then connect", in_child(unreadable_connect));
    TRY("own descriptor table, then connect", in_child(unshared_files_connect));
    TRY("untraced child connects", untraced_connect());
    TRY("read a child's memory", in_child(read_child));
    TRY("write own memory as a file", open("/proc/self/mem", O_RDWR));
    TRY("?fanotify_init", syscall(SYS_fanotify_init, 0, 0));
    TRY("?lookup_dcookie", syscall(SYS_lookup_dcookie, 0, buffer, 10));
    TRY("?migrate_pages", syscall(SYS_migrate_pages, supervisor, 0, NULL, NULL));
    TRY("?move_pages", syscall(SYS_move_pages, supervisor, 0, NULL, NULL, NULL, 0));
    TRY("?set_mempolicy", syscall(SYS_set_mempolicy, 1, buffer, 64));
}

static void files(void) {
    struct timeval times[2] = {{1, 0}, {1, 0}};
    char victim[4096], link_[4096], buffer[24] = {0};
    struct stat info;
    snprintf(victim, sizeof victim, "%s/victim", outside);
    snprintf(link_, sizeof link_, "%s/link", inside);
    TRY("+write inside", open(at(inside, "file"), O_CREAT | O_WRONLY, 0600));
    TRY("create set-user-id file", open(at(inside, "suid"), O_CREAT | O_WRONLY, 04755));
    TRY("create set-group-id file", openat(AT_FDCWD, at(inside, "sgid"), O_CREAT | O_WRONLY, 02755));
    TRY("creat set-user-id file", creat(at(inside, "creat"), 04755));
    TRY("unnamed set-user-id file", open(inside, O_TMPFILE | O_WRONLY, 04755));
    TRY("?openat2", syscall(437, AT_FDCWD, "/", buffer, 24));
    TRY("create outside", open(at(outside, "created"), O_CREAT | O_WRONLY, 0666));
    TRY("read outside", open(victim, O_RDONLY));
    TRY("write outside", open(victim, O_WRONLY));
    TRY("open and truncate outside", open(victim, O_RDONLY | O_TRUNC));
    TRY("truncate outside", truncate(victim, 0));
    TRY("chmod outside", chmod(victim, 0666));
    TRY("set attribute outside", setxattr(victim, "user.x07", "x", 1, 0));
    TRY("set times outside", utimes(victim, times));
    TRY("link outside to inside", link(victim, at(inside, "hard")));
    TRY("symlink inside to outside, write", symlink(victim, link_) == 0 || errno == EEXIST ? open(link_, O_WRONLY) : -1);
    snprintf(path, sizeof path, "%s/../%s/victim", inside, strrchr(outside, '/') + 1);
    TRY("walk up from inside", open(path, O_WRONLY));
    TRY("list outside", open(outside, O_RDONLY | O_DIRECTORY));
    TRY("+stat outside", stat(victim, &info));
    TRY("make a pipe inside", mkfifo(at(inside, "fifo"), 0600));
    TRY("mkdir outside", mkdir(at(outside, "folder"), 0777));
    TRY("make a pipe outside", mkfifo(at(outside, "fifo"), 0666));
    TRY("?make a device inside", mknod(at(inside, "device"), S_IFCHR | 0600, (1 << 8) | 1));
    TRY("symlink outside", symlink("/", at(outside, "symlink")));
    TRY("rename outside", (snprintf(link_, sizeof link_, "%s/renamed", outside), rename(victim, link_)) == 0 ? rename(link_, victim) : -1);
    snprintf(link_, sizeof link_, "%s/moved", inside);
    TRY("rename outside to inside", rename(victim, link_) == 0 ? rename(link_, victim) : -1);
    TRY("?leave a device behind", renameat2(AT_FDCWD, at(inside, "file"), AT_FDCWD, link_, RENAME_WHITEOUT));
    unlink(link_);
    TRY("unlink outside", unlink(at(outside, "doomed")));
    snprintf(path, sizeof path, "/dev/shm/x07-attack-%d", supervisor);
    TRY("create in /dev/shm", open(path, O_CREAT | O_WRONLY, 0666));
    unlink(path);
    snprintf(path, sizeof path, "/var/tmp/x07-attack-%d", supervisor);
    TRY("create in /var/tmp", open(path, O_CREAT | O_WRONLY, 0666));
    unlink(path);
    TRY("write own oom score", open("/proc/self/oom_score_adj", O_WRONLY));
    TRY("?write kernel settings", open("/proc/sys/kernel/hostname", O_WRONLY));
    TRY("?read shadow", open("/etc/shadow", O_RDONLY));
    TRY("?open a disk", open("/dev/vda", O_RDONLY));
    TRY("?read root's home", open("/root", O_RDONLY | O_DIRECTORY));
    TRY("?open hosts for writing", open("/etc/hosts", O_WRONLY));
    TRY("?open kmsg", open("/dev/kmsg", O_RDONLY));
    TRY("?open own program for writing", open("/proc/self/exe", O_WRONLY));
    TRY("+anonymous memory", syscall(SYS_memfd_create, "x", 0));
    TRY("+pipe", pipe((int[2]){0}));
}

int main(int count, char **arg) {
    if (count == 2) return reach4("127.0.0.1", atoi(arg[1])) < 0 ? errno : 0;
    if (count != 8) return 2;
    allowed = atoi(arg[1]);
    denied = atoi(arg[2]);
    inside = arg[3];
    outside = arg[4];
    supervisor = atoi(arg[5]);
    unreadable = arg[7];
    addresses();
    malformed();
    fast_open();
    families();
    unix_sockets();
    listening();
    options();
    kernel();
    foreign();
    files();
    races(atof(arg[6]), inside, outside);
    return 0;
}
