/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* impostor.h: servers that answer in a site's place on 127.0.0.1, for a relay (proxy.h): what a
 * man in the middle can show who has no key of the site's. */
#ifndef KS_CLI_IMPOSTOR_H
#define KS_CLI_IMPOSTOR_H

#include "net/tls.h"

/* Post-quantum all through, under a CA of its own, whose folder is DIRECTORY; made where it is
 * absent. The caller frees it. */
KS_MUST_CHECK enum ks_err ks_impostor_open(const char *directory, struct ks_tls **out_tls);
/* Offers X25519 and P-256 alone, and a certificate with a P-256 key. */
KS_MUST_CHECK enum ks_err ks_impostor_open_classical(struct ks_tls **out_tls);

#endif
