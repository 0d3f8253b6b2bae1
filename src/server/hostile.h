/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* hostile.h: the seam at which a test build of ketseald turns hostile
 * (tests/sandbox/hostile.c). The product links hostile_never.c, which does nothing. */
#ifndef KS_SERVER_HOSTILE_H
#define KS_SERVER_HOSTILE_H

/* Called once, after the doors are closed: with what an attacker in this process would have. */
void ks_turn_hostile(int enclave_fd, const char *state_dir);

#endif
