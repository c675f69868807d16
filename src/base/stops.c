#include "stepcell/stops.h"

#include "stepcell/log.h"
#include "stepcell/util.h"

static const int stops[] = {SIGTSTP, SIGTTIN, SIGTTOU};

void stops_add(sigset_t *set)
{
	for (size_t i = 0; i < COUNT(stops); i++)
		(void)sigaddset(set, stops[i]);
}

bool stops_told(unsigned number)
{
	for (size_t i = 0; i < COUNT(stops); i++) {
		if (number != (unsigned)stops[i])
			continue;
		log_note("it is not stopped: cells would go on without their limits; "
			 "interrupt it to end it");
		return true;
	}
	return false;
}
