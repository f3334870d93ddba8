/* What the files of the attack program share. */
#include <errno.h>
#include <netinet/in.h>

extern int allowed, denied, supervisor;
void say(const char *name, long result);
struct sockaddr_in v4(const char *host, int port);
int tcp(int family);
int reach4(const char *host, int port);
void races(double seconds, const char *inside, const char *outside);
#define TRY(name, call) do { errno = 0; say(name, (long)(call)); } while (0)
