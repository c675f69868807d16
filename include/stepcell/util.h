/* util: the macro that nearly every file needs. */
#pragma once

#include <assert.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
