/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A device's directory: which file is what. */

#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "client/machine.h"
#include "client/tls_file.h"
#include "ketseal/client.h"
#include "record/policy.h"
#include "record/record.h"

#define URL_MAX 511

/* URL, or the first line of DIRECTORY/url. */
static enum ks_err find_url(const struct ks_device_spec *device, char target[URL_MAX + 1])
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    struct ks_buf text;

    ks_buf_init(&text, URL_MAX);
    if (device->url != NULL) {
        KS_CHECK(strlen(device->url) <= URL_MAX, KS_ERR_USAGE, "url: over %d bytes", URL_MAX);
        ks_copy(target, device->url, strlen(device->url) + 1);
    } else {
        KS_TRY(ks_path_join(device->directory, "url", path));
        err = ks_file_read(path, URL_MAX, &text);
        KS_TRY(err == KS_ERR_NOT_FOUND
                   ? ks_fail(KS_ERR_USAGE, "url: missing, and there is no %s", path)
                   : err);
        ks_copy(target, text.data, text.len);
        target[text.len] = '\0';
        target[strcspn(target, "\r\n")] = '\0';
    }
out:
    ks_buf_done(&text);
    return err;
}

/* The pinned document: SITE, or DIRECTORY/site.json. */
static enum ks_err find_site(const struct ks_device_spec *device, char target[KS_PATH_MAX])
{
    if (device->site == NULL) {
        return ks_path_join(device->directory, "site.json", target);
    }
    if (strlen(device->site) >= KS_PATH_MAX) {
        return ks_fail(KS_ERR_LIMIT, "path '%s' is too long", device->site);
    }
    ks_copy(target, device->site, strlen(device->site) + 1);
    return KS_OK;
}

static enum ks_err check_version(const struct ks_device_spec *device)
{
    if (device->version != 1 || device->directory == NULL) {
        return ks_fail(KS_ERR_USAGE, "device: version %u, or no directory",
                       (unsigned)device->version);
    }
    return KS_OK;
}

enum ks_err ks_client_open_device(const struct ks_device_spec *device,
                                  struct ks_client **out_client)
{
    enum ks_err err = KS_OK;
    const char *directory = device->directory;
    char url[URL_MAX + 1];
    char root[KS_PATH_MAX];
    char certificate[KS_PATH_MAX];
    char key[KS_PATH_MAX];
    char site[KS_PATH_MAX];
    char state[KS_PATH_MAX];
    char issuer[KS_PATH_MAX];
    char platform[KS_PATH_MAX];
    char keys[KS_PATH_MAX];
    struct ks_tls_file tls;
    struct ks_client_spec spec = {
        .version = 2,
        .url = url,
        .root = root,
        .certificate = certificate,
        .key = key,
        .site = site,
        .state = state,
        .timeout_ms = device->timeout_ms,
    };

    KS_TRY(check_version(device));
    KS_TRY(find_url(device, url));
    KS_TRY(ks_path_join(directory, "root.pem", root));
    KS_TRY(ks_path_join(directory, "device.pem", certificate));
    KS_TRY(ks_path_join(directory, "device.key", key));
    KS_TRY(find_site(device, site));
    KS_TRY(ks_path_join(directory, "state", state));
    KS_TRY(ks_path_join(directory, "issuer.pem", issuer));
    KS_TRY(ks_path_join(directory, KS_MACHINE_PLATFORM, platform));
    if (access(platform, F_OK) == 0) { /* enrolled: its TPM holds the key */
        KS_CHECK(device->measured, KS_ERR_DENIED,
                 "%s: an enrolled device; its key opens to the program that was measured then, "
                 "which is 'ketseal', and not to this one",
                 directory);
        spec.key = NULL;
        spec.machine = directory;
        spec.issuer = issuer;
    }
    KS_TRY(ks_path_join(directory, "keys.json", keys));
    spec.keys = access(keys, F_OK) == 0 ? keys : NULL; /* without: the site's own */
    KS_TRY(ks_tls_file_read(directory, &tls));
    spec.groups = ks_tls_file_text(tls.groups);
    spec.signature_algorithms = ks_tls_file_text(tls.sigalgs);
    KS_TRY(ks_client_open(&spec, out_client));
out:
    return err;
}

enum ks_err ks_device_policy(const struct ks_device_spec *device, struct ks_policy **out_policy)
{
    enum ks_err err = KS_OK;
    struct ks_cert *root = NULL;
    struct ks_site *site = ks_calloc(1, sizeof *site);
    struct ks_policy_spec spec = {.site = site};
    struct ks_bytes document = {0};
    struct ks_buf bytes;
    struct ks_buf policy;
    char path[KS_PATH_MAX];

    ks_buf_init(&bytes,
                KS_CERT_PEM_MAX > KS_SITE_BYTES_MAX ? KS_CERT_PEM_MAX : KS_SITE_BYTES_MAX);
    ks_buf_init(&policy, KS_POLICY_BYTES_MAX);
    KS_CHECK(site != NULL, KS_ERR_NOMEM, "site");
    KS_TRY(check_version(device));
    KS_TRY(ks_path_join(device->directory, "root.pem", path));
    KS_TRY(ks_file_read(path, KS_CERT_PEM_MAX, &bytes));
    KS_TRY(ks_fail_prefix(ks_cert_parse_pem(ks_buf_view(&bytes), &root), "%s", path));
    ks_buf_clear(&bytes);
    KS_TRY(find_site(device, path));
    KS_TRY(ks_file_read(path, KS_SITE_BYTES_MAX, &bytes));
    KS_TRY(ks_fail_prefix(ks_site_read(ks_buf_view(&bytes), site), "%s", path));
    spec.root = root;
    spec.accept_simulated_tpm = site->simulated_tpm;
    ks_policy_write(&spec, &policy);
    KS_TRY(ks_buf_check(&policy));
    document = ks_buf_view(&policy);
    KS_TRY(ks_policy_read(&document, out_policy));
out:
    ks_cert_free(root);
    ks_free(site);
    ks_buf_done(&bytes);
    ks_buf_done(&policy);
    return err;
}
