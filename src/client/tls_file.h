/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* tls_file.h: tls.json in the directory of a device or an operator: with which groups and
 * signature algorithms it speaks TLS, where not by the defaults (docs/formats/device.md).
 * Inside src/client only. No state; any thread. */
#ifndef KS_CLIENT_TLS_FILE_H
#define KS_CLIENT_TLS_FILE_H

#include "base/mem.h"
#include "crypto/sigalgs.h"

#define KS_TLS_FILE        "tls.json"
#define KS_TLS_FILE_MAX    4096 /* bytes */
#define KS_TLS_FILE_GROUPS 255  /* characters */

/* Each as TLS has it; empty: the default. */
struct ks_tls_file {
    char groups[KS_TLS_FILE_GROUPS + 1];
    char sigalgs[KS_SIGALGS_MAX + 1];
};
/* Both empty where DIRECTORY has no such file. KS_ERR_FORMAT names what is wrong in it. */
KS_MUST_CHECK enum ks_err ks_tls_file_read(const char *directory, struct ks_tls_file *out_file);
/* The same of its text. */
KS_MUST_CHECK enum ks_err ks_tls_file_parse(struct ks_bytes text, struct ks_tls_file *out_file);
/* TEXT, or NULL where it is empty. */
const char *ks_tls_file_text(const char *text);

#endif
