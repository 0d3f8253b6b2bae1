/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "kme/config.h"

#include <string.h>

#include "config/yaml.h"

#define OPTIONAL_TEXT (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define TEXT(part, name, max)                                                                  \
    CYAML_FIELD_STRING_PTR(#name, CYAML_FLAG_POINTER, struct ks_kme_config_##part, name, 1, max)
#define MAY_TEXT(part, name, max)                                                              \
    CYAML_FIELD_STRING_PTR(#name, OPTIONAL_TEXT, struct ks_kme_config_##part, name, 1, max)
#define MAY_COUNT(part, name)                                                                  \
    CYAML_FIELD_UINT(#name, CYAML_FLAG_OPTIONAL, struct ks_kme_config_##part, name)
#define MAY_NUMBER(part, name)                                                                 \
    CYAML_FIELD_FLOAT(#name, CYAML_FLAG_OPTIONAL, struct ks_kme_config_##part, name)
#define PATH_LEN 3000

static const cyaml_schema_field_t kme_fields[] = {
    TEXT(kme, id, KS_ETSI014_SAE_MAX),
    TEXT(kme, listen, 63),
    TEXT(kme, state, PATH_LEN),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t tls_fields[] = {
    TEXT(tls, root, PATH_LEN),
    TEXT(tls, certificate, PATH_LEN),
    TEXT(tls, key, PATH_LEN),
    MAY_TEXT(tls, crl, PATH_LEN),
    MAY_TEXT(tls, groups, 255),
    MAY_TEXT(tls, profile, 16),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t link_fields[] = {
    TEXT(link, peer, KS_ETSI014_SAE_MAX),
    TEXT(link, role, 8),
    MAY_TEXT(link, listen, 63),
    MAY_TEXT(link, connect, 63),
    TEXT(link, root, PATH_LEN),
    TEXT(link, certificate, PATH_LEN),
    TEXT(link, key, PATH_LEN),
    MAY_TEXT(link, crl, PATH_LEN),
    MAY_COUNT(link, pulses),
    MAY_NUMBER(link, distance_km),
    MAY_NUMBER(link, eve_share),
    MAY_TEXT(link, eve, 16),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t keys_fields[] = {
    MAY_COUNT(keys, size),        MAY_COUNT(keys, size_min),   MAY_COUNT(keys, size_max),
    MAY_COUNT(keys, per_request), MAY_COUNT(keys, stored_max), MAY_COUNT(keys, hold_hours),
    MAY_COUNT(keys, saes_max),    MAY_TEXT(keys, optional, 8), CYAML_FIELD_END,
};
static const cyaml_schema_field_t admin_fields[] = {
    MAY_TEXT(admin, listen, 63),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t http_fields[] = {
    MAY_COUNT(http, loops),
    MAY_COUNT(http, connections),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t config_fields[] = {
    CYAML_FIELD_MAPPING("kme", CYAML_FLAG_DEFAULT, struct ks_kme_config, kme, kme_fields),
    CYAML_FIELD_MAPPING("tls", CYAML_FLAG_DEFAULT, struct ks_kme_config, tls, tls_fields),
    CYAML_FIELD_MAPPING("link", CYAML_FLAG_DEFAULT, struct ks_kme_config, link, link_fields),
    CYAML_FIELD_MAPPING("keys", CYAML_FLAG_OPTIONAL, struct ks_kme_config, keys, keys_fields),
    CYAML_FIELD_MAPPING("admin", CYAML_FLAG_OPTIONAL, struct ks_kme_config, admin,
                        admin_fields),
    CYAML_FIELD_MAPPING("http", CYAML_FLAG_OPTIONAL, struct ks_kme_config, http, http_fields),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t config_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct ks_kme_config, config_fields),
};

static void set_default(unsigned *value, unsigned fallback)
{
    *value = *value == 0 ? fallback : *value;
}

static enum ks_err complete_keys(struct ks_kme_config_keys *keys)
{
    enum ks_err err = KS_OK;

    set_default(&keys->size, 256);
    set_default(&keys->size_min, 64);
    set_default(&keys->size_max, 1024);
    set_default(&keys->per_request, KS_ETSI014_KEYS_MAX);
    set_default(&keys->stored_max, 10000);
    set_default(&keys->hold_hours, 24);
    set_default(&keys->saes_max, KS_ETSI014_SAES_MAX);
    KS_CHECK(keys->size % 8 == 0 && keys->size_min % 8 == 0 && keys->size_max % 8 == 0,
             KS_ERR_FORMAT, "keys.size, size_min, size_max: multiples of 8 bits");
    KS_CHECK(keys->size_min >= 64 && keys->size_min <= keys->size &&
                 keys->size <= keys->size_max && keys->size_max <= KS_ETSI014_SIZE_MAX,
             KS_ERR_LIMIT, "keys: 64 <= size_min <= size <= size_max <= %d",
             KS_ETSI014_SIZE_MAX);
    KS_CHECK(keys->per_request <= KS_ETSI014_KEYS_MAX, KS_ERR_LIMIT,
             "keys.per_request: 1 to %d", KS_ETSI014_KEYS_MAX);
    KS_CHECK(keys->stored_max <= KS_KME_STORED_MAX, KS_ERR_LIMIT, "keys.stored_max: 1 to %d",
             KS_KME_STORED_MAX);
    KS_CHECK((uint64_t)keys->stored_max * keys->size / 8 <= KS_KME_HALF_MAX, KS_ERR_LIMIT,
             "keys.stored_max: with keys.size over %d bytes in a half", KS_KME_HALF_MAX);
    KS_CHECK(keys->hold_hours <= KS_KME_HOURS_MAX, KS_ERR_LIMIT, "keys.hold_hours: 1 to %d",
             KS_KME_HOURS_MAX);
    KS_CHECK(keys->saes_max <= KS_ETSI014_SAES_MAX, KS_ERR_LIMIT, "keys.saes_max: 1 to %d",
             KS_ETSI014_SAES_MAX);
    KS_CHECK(keys->optional == NULL || strcmp(keys->optional, "refuse") == 0 ||
                 strcmp(keys->optional, "ignore") == 0,
             KS_ERR_FORMAT, "keys.optional: 'refuse' or 'ignore'");
out:
    return err;
}

static enum ks_err complete_link(const char *path, struct ks_kme_config *config)
{
    enum ks_err err = KS_OK;
    struct ks_kme_config_link *link = &config->link;
    struct ks_etsi014_sae name;
    struct ks_link_params params;
    char address[64];
    uint16_t port = 0;

    KS_TRY(ks_config_resolve(path, &link->root));
    KS_TRY(ks_config_resolve(path, &link->certificate));
    KS_TRY(ks_config_resolve(path, &link->key));
    KS_TRY(ks_config_resolve(path, &link->crl));
    KS_TRY(ks_fail_prefix(ks_etsi014_sae_parse(ks_bytes_text(link->peer), &name), "link.peer"));
    KS_CHECK(strcmp(link->role, "alice") == 0 || strcmp(link->role, "bob") == 0, KS_ERR_FORMAT,
             "link.role: 'alice' or 'bob'");
    KS_CHECK((link->listen == NULL) != (link->connect == NULL), KS_ERR_FORMAT,
             "link: either listen or connect");
    if (link->listen != NULL) {
        KS_TRY(ks_config_listen("link.listen", link->listen, address, &port));
    } else {
        KS_TRY(ks_config_listen("link.connect", link->connect, address, &port));
        KS_CHECK(port != 0, KS_ERR_FORMAT, "link.connect: port 0");
    }
    KS_CHECK(link->eve == NULL || strcmp(link->eve, "none") == 0 ||
                 strcmp(link->eve, "intercept") == 0 || strcmp(link->eve, "pns") == 0,
             KS_ERR_FORMAT, "link.eve: 'none', 'intercept' or 'pns'");
    params = ks_kme_config_params(config);
    KS_TRY(ks_fail_prefix(ks_link_params_check(&params), "link"));
out:
    return err;
}

static enum ks_err complete(const char *path, struct ks_kme_config *config)
{
    enum ks_err err = KS_OK;
    struct ks_etsi014_sae name;
    char address[64];
    uint16_t port = 0;

    KS_TRY(ks_config_resolve(path, &config->kme.state));
    KS_TRY(ks_config_resolve(path, &config->tls.root));
    KS_TRY(ks_config_resolve(path, &config->tls.certificate));
    KS_TRY(ks_config_resolve(path, &config->tls.key));
    KS_TRY(ks_config_resolve(path, &config->tls.crl));
    KS_TRY(
        ks_fail_prefix(ks_etsi014_sae_parse(ks_bytes_text(config->kme.id), &name), "kme.id"));
    KS_TRY(ks_config_listen("kme.listen", config->kme.listen, address, &port));
    KS_CHECK(config->tls.profile == NULL || strcmp(config->tls.profile, "classical") == 0 ||
                 strcmp(config->tls.profile, "post-quantum") == 0,
             KS_ERR_FORMAT, "tls.profile: 'post-quantum' or 'classical'");
    if (config->admin.listen != NULL) {
        KS_TRY(ks_config_listen("admin.listen", config->admin.listen, address, &port));
        KS_CHECK(strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0, KS_ERR_FORMAT,
                 "admin.listen: a loopback address");
    }
    set_default(&config->http.loops, 1);
    set_default(&config->http.connections, 1024);
    KS_CHECK(config->http.loops <= KS_KME_LOOPS_MAX, KS_ERR_LIMIT, "http.loops: 1 to %d",
             KS_KME_LOOPS_MAX);
    KS_CHECK(config->http.connections <= KS_KME_CLIENTS_MAX, KS_ERR_LIMIT,
             "http.connections: 1 to %d", KS_KME_CLIENTS_MAX);
    KS_TRY(complete_keys(&config->keys));
    KS_TRY(complete_link(path, config));
out:
    return err;
}

enum ks_err ks_kme_config_load(const char *path, struct ks_kme_config **out_config)
{
    enum ks_err err = KS_OK;
    void *data = NULL;
    struct ks_kme_config *config = NULL;

    KS_TRY(ks_yaml_load(path, KS_KME_CONFIG_MAX, &config_schema, &data));
    config = data;
    KS_TRY(ks_fail_prefix(complete(path, config), "%s", path));
    *out_config = config;
    config = NULL; /* transferred */
out:
    ks_kme_config_free(config);
    return err;
}

void ks_kme_config_free(struct ks_kme_config *config)
{
    ks_yaml_free(&config_schema, config);
}

bool ks_kme_config_alice(const struct ks_kme_config *config)
{
    return strcmp(config->link.role, "alice") == 0;
}

enum ks_tls_profile ks_kme_config_profile(const struct ks_kme_config *config)
{
    return config->tls.profile != NULL && strcmp(config->tls.profile, "classical") == 0
               ? KS_TLS_CLASSICAL
               : KS_TLS_POST_QUANTUM;
}

bool ks_kme_config_ignores_optional(const struct ks_kme_config *config)
{
    return config->keys.optional != NULL && strcmp(config->keys.optional, "ignore") == 0;
}

struct ks_link_params ks_kme_config_params(const struct ks_kme_config *config)
{
    const struct ks_kme_config_link *link = &config->link;
    struct ks_link_params params = ks_link_params_default();

    if (link->pulses != 0) {
        params.protocol.pulses = link->pulses;
    }
    if (link->distance_km != 0) {
        params.fibre.distance_km = link->distance_km;
    }
    if (link->eve != NULL && strcmp(link->eve, "intercept") == 0) {
        params.fibre.eve = KS_LINK_EVE_INTERCEPT;
    } else if (link->eve != NULL && strcmp(link->eve, "pns") == 0) {
        params.fibre.eve = KS_LINK_EVE_PNS;
    }
    if (params.fibre.eve != KS_LINK_EVE_NONE) {
        params.fibre.eve_share = link->eve_share == 0 ? 1 : link->eve_share;
    }
    return params;
}

struct ks_etsi014_status ks_kme_config_status(const struct ks_kme_config *config)
{
    const struct ks_kme_config_keys *keys = &config->keys;
    struct ks_etsi014_status status = {
        .key_size = keys->size,
        .max_key_count = keys->stored_max,
        .max_key_per_request = keys->per_request,
        .max_key_size = keys->size_max,
        .min_key_size = keys->size_min,
        .max_sae_id_count = keys->saes_max,
    };

    ks_copy(status.source_kme.text, config->kme.id, ks_bytes_text(config->kme.id).len);
    ks_copy(status.target_kme.text, config->link.peer, ks_bytes_text(config->link.peer).len);
    return status;
}
