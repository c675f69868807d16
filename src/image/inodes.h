/* inodes: what an archive said about each file that was made from it. Private. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/*
 * Kept by inode, not by path: links in an archive may make several paths lead
 * to one file, and later entries may replace earlier ones. What counts is what
 * is on disk at the end, which is read from there.
 */
struct inode_note {
	ino_t ino;
	uint32_t uid, gid;
	mode_t mode; /* as the archive has it: set-id bits included */
	struct timespec mtime;
	bool attributes;    /* it has some that are in the list */
	uint8_t sha256[32]; /* of a regular file */
};

struct inodes {
	struct inode_note *slots; /* open addressing; ino 0 is free */
	size_t capacity, count;
};

/* The note of an inode, made when there is none: an older one is of a file that was removed. */
struct inode_note *inodes_put(struct inodes *set, ino_t ino);
struct inode_note *inodes_get(const struct inodes *set, ino_t ino); /* or NULL */
void inodes_release(struct inodes *set);
