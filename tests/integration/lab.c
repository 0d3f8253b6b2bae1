/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A lab (cli/lab.h), for lab.sh:
 *
 *   lab DIRECTORY LIBEXEC SUITE GROUPS [PROGRAM=PATH]   a job of each of two devices; GROUPS
 * "-": default lab DIRECTORY LIBEXEC hold                          says when it is ready, and
 * waits for ever lab DIRECTORY LIBEXEC quantum                       jobs under quantum keys,
 * then with somebody on the link
 *
 * Prints what each job's record says of method and keys. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "cli/lab.h"

#define EVE_JOBS 4

static void show(struct ks_buf *bundle, const char *name)
{
    struct ks_buf text;
    char pattern[64];
    const char *found = NULL;

    ks_buf_init(&text, KS_BUNDLE_LEN_MAX + 1);
    ks_buf_put(&text, ks_buf_view(bundle));
    ks_buf_put_u8(&text, 0);
    KS_ASSERT(ks_buf_check(&text) == KS_OK);
    (void)snprintf(pattern, sizeof pattern, "\"%s\":\"", name);
    found = strstr((const char *)text.data, pattern);
    if (found != NULL) {
        found += strlen(pattern);
        (void)printf(" %s=%.*s", name, (int)strcspn(found, "\""), found);
    }
    ks_buf_done(&text);
}

static enum ks_err run(const struct ks_lab *lab, unsigned device, unsigned jobs)
{
    enum ks_err err = KS_OK;
    const struct ks_lab_client spec = {.device = device};
    struct ks_client *client = NULL;
    struct ks_buf bundle;

    ks_buf_init(&bundle, KS_BUNDLE_LEN_MAX);
    KS_TRY(ks_lab_client_open(lab, &spec, &client));
    for (unsigned i = 0; i < jobs; i++) {
        const struct ks_job_spec job = {
            .version = 1, .template = "bell", .qubits = 2, .depth = 1, .shots = 50, .seed = i};

        ks_buf_clear(&bundle);
        KS_TRY(ks_client_run(client, &job, &bundle));
        (void)printf("device %u:", device);
        show(&bundle, "key_source");
        show(&bundle, "build");
        (void)printf("\n");
        (void)fflush(stdout);
    }
out:
    ks_client_close(client);
    ks_buf_done(&bundle);
    return err;
}

static enum ks_err ordinary(struct ks_lab_spec *spec, int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct ks_lab *lab = NULL;
    char *path = NULL;

    KS_TRY(ks_lab_suite_find(argv[3], &spec->suite));
    spec->groups = strcmp(argv[4], "-") == 0 ? NULL : argv[4];
    if (argc > 5) {
        path = strchr(argv[5], '=');
        KS_CHECK(path != NULL, KS_ERR_USAGE, "PROGRAM=PATH");
        *path = '\0';
        spec->program = argv[5];
        spec->instead = path + 1;
    }
    KS_TRY(ks_lab_start(spec, &lab));
    for (unsigned device = 0; device < spec->devices; device++) {
        KS_TRY(run(lab, device, 1));
    }
    err = ks_lab_stop(lab);
    lab = NULL;
out:
    ks_lab_kill(lab);
    return err;
}

static enum ks_err hold(const struct ks_lab_spec *spec)
{
    enum ks_err err = KS_OK;
    struct ks_lab *lab = NULL;

    KS_TRY(ks_lab_start(spec, &lab));
    (void)printf("%d\n", (int)ks_lab_pid(lab));
    (void)fflush(stdout);
    for (;;) {
        (void)pause();
    }
out:
    return err;
}

static enum ks_err quantum(struct ks_lab_spec *spec)
{
    enum ks_err err = KS_OK;
    struct ks_lab *lab = NULL;

    spec->quantum = true;
    KS_TRY(ks_lab_start(spec, &lab));
    KS_TRY(run(lab, 0, 8));
    (void)printf("eavesdropper\n");
    KS_TRY(ks_lab_eavesdrop(lab, 0.8));
    KS_TRY(run(lab, 1, EVE_JOBS));
    err = ks_lab_stop(lab);
    lab = NULL;
out:
    ks_lab_kill(lab);
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct ks_lab_spec spec = {.version = 1, .devices = 2};

    if (argc < 4) {
        (void)fputs("usage: lab DIRECTORY LIBEXEC …\n", stderr);
        return ks_err_exit_code(KS_ERR_USAGE);
    }
    spec.directory = argv[1];
    spec.libexec = argv[2];
    if (strcmp(argv[3], "hold") == 0) {
        err = hold(&spec);
    } else if (strcmp(argv[3], "quantum") == 0) {
        err = quantum(&spec);
    } else {
        err = argc < 5 ? KS_ERR_USAGE : ordinary(&spec, argc, argv);
    }
    if (err != KS_OK) {
        (void)fprintf(stderr, "lab: %s\n", ks_err_detail());
    }
    return ks_err_exit_code(err);
}
