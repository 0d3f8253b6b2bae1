/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* flags.h: flags of commands that stand in a file of their own, for the table in commands.c. */
#ifndef KS_CLI_FLAGS_H
#define KS_CLI_FLAGS_H

#include "cli/cli.h"

/* Of what a device, of what an operator does. */
#define DEVICE_FLAGS                                                                           \
    {"device", KS_FLAG_TEXT,                                                                   \
     "DIR",    "the device's directory: root.pem, device.pem, device.key, site.json",          \
     ".",      false},                                                                         \
    {                                                                                          \
        "url", KS_FLAG_TEXT, "URL", "the site, https://host:port; default: the file DIR/url",  \
            NULL, false                                                                        \
    }

#define OPERATOR_FLAGS                                                                         \
    {"operator", KS_FLAG_TEXT,                                                                 \
     "DIR",      "the operator's directory: operator.pem, operator.key, root.pem",             \
     ".",        false},                                                                       \
    {                                                                                          \
        "url", KS_FLAG_TEXT, "URL", "the site, https://host:port", NULL, true                  \
    }

extern const struct ks_flag ks_detect_evaluate_flags[];
extern const struct ks_flag ks_detect_explain_flags[];
extern const struct ks_flag ks_detect_figures_flags[];
extern const struct ks_flag ks_detect_follow_flags[];
extern const struct ks_flag ks_detect_report_flags[];
extern const struct ks_flag ks_detect_score_flags[];
extern const struct ks_flag ks_detect_train_flags[];
extern const struct ks_flag ks_fl_audit_flags[];
extern const struct ks_flag ks_fl_create_flags[];
extern const struct ks_flag ks_fl_fetch_flags[];
extern const struct ks_flag ks_fl_history_flags[];
extern const struct ks_flag ks_fl_join_flags[];
extern const struct ks_flag ks_fl_operator_flags[];
extern const struct ks_flag ks_fl_simulate_flags[];
extern const struct ks_flag ks_fl_status_flags[];
extern const struct ks_flag ks_learn_evaluate_flags[];
extern const struct ks_flag ks_learn_generate_flags[];
extern const struct ks_flag ks_learn_train_flags[];
extern const struct ks_flag ks_trace_alerts_flags[];
extern const struct ks_flag ks_trace_build_flags[];
extern const struct ks_flag ks_trace_export_flags[];
extern const struct ks_flag ks_trace_list_flags[];
extern const struct ks_flag ks_trace_show_flags[];

#endif
