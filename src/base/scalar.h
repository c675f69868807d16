/* scalar: what a plain scalar of YAML's core schema is (YAML 1.2.2, 10.3.2), as GitHub's reader
 * takes it. */
#pragma once

#include "stepcell/node.h"

/* Fill kind, truth and number of a plain scalar's node from its text. */
void scalar_resolve(struct node *node);

/* The same where a tag says what it must be ("tag:yaml.org,2002:int"); false when it is not. */
bool scalar_resolve_tag(struct node *node, const char *tag);
