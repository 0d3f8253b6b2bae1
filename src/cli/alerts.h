/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* alerts.h: what a detector called anomalies: the command that lists them, and the detector of
 * a device, which judges its own traces. */
#ifndef KS_CLI_ALERTS_H
#define KS_CLI_ALERTS_H

#include "cli/cli.h"

#define KS_ALERT_FILE           "alerts.jsonl" /* in a device's directory: a detection a line */
#define KS_ALERT_FILE_BYTES_MAX ((size_t)16 * 1024 * 1024)

#endif
