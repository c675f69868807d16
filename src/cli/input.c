#include "cli/input.h"

#include <fcntl.h>

#include "stepcell/fd.h"

int input_read(const char *path, struct strbuf *out, struct err *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read_capped(fd, out, err) == 0)
		return 0;
	if (fd < 0)
		(void)err_sys(err, "cannot open '%s'", path);
	else
		(void)err_wrap(err, "reading '%s'", path);
	err->kind = ERR_USAGE;
	return -1;
}
