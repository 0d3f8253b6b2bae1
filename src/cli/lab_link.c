/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Two key managers beside a lab, Alice for its devices and Bob for its site, and the simulated
 * BB84 link between them (docs/formats/kme.md). */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/sys.h"
#include "cli/lab_room.h"

#define SITE_SAE     "site-sae"
#define BATCH        8
#define NAME_MAX_LEN 32

static const char *const names[KS_LAB_MANAGERS] = {"alice", "bob"};

/* Of its state: another one for each time that the link begins anew. */
static void name_state(const struct ks_lab *lab, unsigned who, char name[NAME_MAX_LEN])
{
    (void)snprintf(name, NAME_MAX_LEN, "%s-%u", names[who], lab->link_starts);
}

static enum ks_err link_path(const struct ks_lab *lab, const char *name,
                             char out_path[KS_PATH_MAX])
{
    char below[KS_PATH_MAX];

    (void)snprintf(below, sizeof below, "link/%s", name);
    return ks_path_join(lab->directory, below, out_path);
}

/* Alice waits for Bob, who shows a certificate of a device. */
static enum ks_err configure(const struct ks_lab *lab, unsigned who, uint16_t link_port)
{
    enum ks_err err = KS_OK;
    const char *root = lab->authority;
    const char *identity = who == KS_LAB_ALICE ? "alice/server" : "bob-link/device";
    char name[NAME_MAX_LEN];
    char path[KS_PATH_MAX];
    struct ks_buf text;

    ks_buf_init(&text, KS_LAB_TEXT_MAX);
    name_state(lab, who, name);
    ks_buf_put_format(&text, "kme:\n  id: %s\n  listen: 127.0.0.1:%u\n  state: %s\n",
                      names[who], (unsigned)lab->managers[who].port, name);
    ks_buf_put_format(&text,
                      "tls:\n  root: %s/ca/root.pem\n  certificate: %s/%s/server.pem\n"
                      "  key: %s/%s/server.key\n",
                      root, root, names[who], root, names[who]);
    ks_buf_put_format(&text, "link:\n  peer: %s\n  role: %s\n  %s: 127.0.0.1:%u\n",
                      names[who == KS_LAB_ALICE ? KS_LAB_BOB : KS_LAB_ALICE], names[who],
                      who == KS_LAB_ALICE ? "listen" : "connect", (unsigned)link_port);
    ks_buf_put_format(&text,
                      "  root: %s/ca/root.pem\n  certificate: %s/%s.pem\n  key: %s/%s.key\n"
                      "  pulses: 24000000\n  distance_km: 5\n",
                      root, root, identity, root, identity);
    if (lab->eve_share >= KS_LAB_SHARE_MIN) {
        ks_buf_put_format(&text, "  eve: intercept\n  eve_share: %f\n", lab->eve_share);
    }
    ks_buf_put_text(&text, "keys:\n  stored_max: 64\n");
    KS_TRY(ks_buf_check(&text));
    (void)snprintf(name, sizeof name, "%s.yaml", names[who]);
    KS_TRY(link_path(lab, name, path));
    KS_TRY(ks_file_write(path, ks_buf_view(&text), 0644));
out:
    ks_buf_done(&text);
    return err;
}

static enum ks_err start_manager(struct ks_lab *lab, unsigned who, uint16_t link_port)
{
    enum ks_err err = KS_OK;
    struct ks_lab_manager *manager = &lab->managers[who];
    char name[NAME_MAX_LEN];
    char program[KS_PATH_MAX];
    char config[KS_PATH_MAX];
    char log[KS_PATH_MAX];
    char state[KS_PATH_MAX];
    const char *const argv[] = {"ketseal-kme", config, NULL};
    struct ks_lab_start start = {
        .log = log, .ready = "event=kme.ready", .folder = state, .file = "port"};

    KS_TRY(configure(lab, who, link_port));
    KS_TRY(ks_lab_find(lab, "ketseal-kme", program));
    (void)snprintf(name, sizeof name, "%s.yaml", names[who]);
    KS_TRY(link_path(lab, name, config));
    (void)snprintf(name, sizeof name, "%s.log", names[who]);
    KS_TRY(link_path(lab, name, log));
    name_state(lab, who, name);
    KS_TRY(link_path(lab, name, state));
    KS_TRY(ks_lab_spawn(program, argv, log, &manager->pid));
    start.pid = manager->pid;
    KS_TRY(ks_lab_await(&start, &manager->port));
    if (who == KS_LAB_ALICE) { /* where Bob comes to */
        start.file = "link-port";
        KS_TRY(ks_lab_await(&start, &manager->link_port));
    }
out:
    return err;
}

static bool state_exists(const struct ks_lab *lab)
{
    char name[NAME_MAX_LEN];
    char path[KS_PATH_MAX];

    (void)snprintf(name, sizeof name, "%s-%u", names[KS_LAB_ALICE], lab->link_starts + 1);
    return link_path(lab, name, path) == KS_OK && access(path, F_OK) == 0;
}

static enum ks_err start_managers(struct ks_lab *lab)
{
    enum ks_err err = KS_OK;

    lab->link_starts++;
    KS_TRY(start_manager(lab, KS_LAB_ALICE, lab->managers[KS_LAB_ALICE].link_port));
    KS_TRY(start_manager(lab, KS_LAB_BOB, lab->managers[KS_LAB_ALICE].link_port));
out:
    return err;
}

enum ks_err ks_lab_link_start(struct ks_lab *lab)
{
    static const struct ks_lab_identity identities[] = {
        {"alice", "alice", KS_CERT_SERVER},
        {"bob", "bob", KS_CERT_SERVER},
        {"bob-link", "bob", KS_CERT_DEVICE},
        {SITE_SAE, SITE_SAE, KS_CERT_DEVICE},
    };
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];

    KS_TRY(ks_path_join(lab->directory, "link", path));
    KS_TRY(ks_dir_make(path, 0700));
    for (size_t i = 0; i < sizeof identities / sizeof identities[0]; i++) {
        KS_TRY(ks_lab_issue(lab, &identities[i]));
    }
    while (state_exists(lab)) { /* an earlier lab's */
        lab->link_starts++;
    }
    KS_TRY(start_managers(lab));
out:
    return err;
}

enum ks_err ks_lab_link_stop(struct ks_lab *lab, bool graceful)
{
    enum ks_err err = ks_lab_end(&lab->managers[KS_LAB_BOB].pid, graceful, "ketseal-kme");
    enum ks_err other = ks_lab_end(&lab->managers[KS_LAB_ALICE].pid, graceful, "ketseal-kme");

    return err != KS_OK ? err : other;
}

void ks_lab_link_put_section(const struct ks_lab *lab, struct ks_buf *out)
{
    ks_buf_put_format(out,
                      "keys:\n  source: both\n  when_down: kem\n  stock: 4096\n  kme:\n"
                      "    url: https://127.0.0.1:%u\n    root: %s/ca/root.pem\n",
                      (unsigned)lab->managers[KS_LAB_BOB].port, lab->authority);
    ks_buf_put_format(out,
                      "    certificate: %s/" SITE_SAE "/device.pem\n"
                      "    key: %s/" SITE_SAE "/device.key\n",
                      lab->authority, lab->authority);
}

enum ks_err ks_lab_link_tell_device(const struct ks_lab *lab, unsigned index)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    struct ks_buf text;

    ks_buf_init(&text, KS_LAB_TEXT_MAX);
    ks_buf_put_format(&text,
                      "{\"batch\": %d, \"low\": 1, \"schema\": \"ketseal.device-keys/1\", "
                      "\"source\": \"both\", \"when_down\": \"kem\",\n",
                      BATCH);
    ks_buf_put_format(&text,
                      " \"kme\": {\"certificate\": \"device.pem\", \"key\": \"device.key\", "
                      "\"root\": \"root.pem\", \"sae\": \"device-%u\",\n"
                      "  \"slave\": \"" SITE_SAE "\", \"url\": \"https://127.0.0.1:%u\"}}\n",
                      index, (unsigned)lab->managers[KS_LAB_ALICE].port);
    KS_TRY(ks_buf_check(&text));
    KS_TRY(ks_path_join(ks_lab_device(lab, index), "keys.json", path));
    KS_TRY(ks_file_write(path, ks_buf_view(&text), 0644));
out:
    ks_buf_done(&text);
    return err;
}

enum ks_err ks_lab_eavesdrop(struct ks_lab *lab, double share)
{
    enum ks_err err = KS_OK;

    KS_CHECK(lab->spec.quantum, KS_ERR_USAGE, "lab: it has no quantum link");
    KS_TRY(ks_lab_link_stop(lab, true));
    lab->eve_share = share;
    KS_TRY(start_managers(lab));
out:
    return err;
}
