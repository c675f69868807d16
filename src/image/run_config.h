/* run_config: how an image wants to be run, in the words of the OCI specification. Private. */
#pragma once

#include "stepcell/decode.h"

/* const struct node *: a map of Entrypoint, Cmd, Env, ... that holds nothing unchecked. */
decode_fn decode_run_config;
