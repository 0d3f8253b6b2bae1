/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* pages.h: a list that a site gives page by page, from its first item to its last. Hides
 * pages. */
#ifndef KS_CLI_PAGES_H
#define KS_CLI_PAGES_H

#include "cli/cli.h"
#include "client/operator.h"

struct ks_pages {
    const char *path;  /* without a query */
    unsigned limit;    /* items of a page; 0: what the site gives */
    unsigned most;     /* pages; KS_ERR_LIMIT where there are more */
    const char *items; /* the member that has them */
    bool named;        /* pages go on behind names, which grow; else behind ids of jobs */
};

/* ITEM is the callee's until it returns. */
typedef enum ks_err (*ks_pages_visit)(const struct ks_json *item, void *context);

/* VISIT takes each item, in the site's order; its first error ends it. KS_ERR_FORMAT for what
 * is no such list, or does not go on. */
KS_MUST_CHECK enum ks_err ks_pages_each(struct ks_operator *op, const struct ks_pages *pages,
                                        ks_pages_visit visit, void *context);

struct ks_pages_shown {
    enum ks_err (*print)(const struct ks_json *item);
    const char *head;    /* printed before; NULL: nothing */
    const char *schema;  /* of the one object of --json */
    const char *session; /* a member of it; NULL: none */
};

/* Prints all items, each by PRINT, or by --json as one object. */
KS_MUST_CHECK enum ks_err ks_pages_print(const struct ks_cli *cli, struct ks_operator *op,
                                         const struct ks_pages *pages,
                                         const struct ks_pages_shown *shown);

#endif
