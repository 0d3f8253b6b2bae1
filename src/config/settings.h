/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* settings.h: a file of YAML that says what flags of a command would: one mapping of names to
 * texts, or to lists of texts. Hides libcyaml; which names there are is the caller's. */
#ifndef KS_CONFIG_SETTINGS_H
#define KS_CONFIG_SETTINGS_H

#include <stddef.h>

#include "base/mem.h"

#define KS_SETTINGS_BYTES_MAX  65536
#define KS_SETTINGS_KEYS_MAX   64
#define KS_SETTINGS_TEXT_MAX   4096 /* bytes of one text */
#define KS_SETTINGS_VALUES_MAX 64   /* texts of one list */

struct ks_settings_key {
    const char *name;
    bool list; /* of texts */
    bool path; /* names files: in the folder of the file that says it, unless it is absolute */
};

struct ks_settings;

/* The keys that PATH may have are the COUNT KEYS, whose names are borrowed while it is open.
 * KS_ERR_FORMAT names file, line and key. */
KS_MUST_CHECK enum ks_err ks_settings_open(const char *path, const struct ks_settings_key *keys,
                                           size_t count, struct ks_settings **out_settings);
void ks_settings_close(struct ks_settings *settings); /* NULL is fine */

/* What key INDEX is set to, borrowed; 0: it is not there. */
size_t ks_settings_values(const struct ks_settings *settings, size_t index,
                          const char *const **out_values);
/* The line, from 1, that key INDEX, which is there, stands on; 0: in no line of its own. */
unsigned ks_settings_line(const struct ks_settings *settings, size_t index);

#endif
