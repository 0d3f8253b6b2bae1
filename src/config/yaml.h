/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* yaml.h: a YAML file into a struct by a schema of libcyaml, with one clear error, and what the
 * configurations of several daemons have in common. Hides that libcyaml says what is wrong only
 * through its log. */
#ifndef KS_CONFIG_YAML_H
#define KS_CONFIG_YAML_H

#include <cyaml/cyaml.h>

#include "base/mem.h"

/* Reads at most LEN_MAX bytes of PATH into a fresh structure of SCHEMA. KS_ERR_FORMAT names
 * file, line and field. Free with ks_yaml_free and the same schema. */
KS_MUST_CHECK enum ks_err ks_yaml_load(const char *path, size_t len_max,
                                       const cyaml_schema_value_t *schema, void **out_data);
void ks_yaml_free(const cyaml_schema_value_t *schema, void *data); /* NULL is fine */

/* The line, from 1 and not before FROM, that begins with KEY and a colon, behind indentation;
 * 0: none. */
unsigned ks_yaml_line(struct ks_bytes text, const char *key, unsigned from);

/* Makes *PATH, a string of such a structure, absolute with respect to the folder of FILE. NULL
 * is fine. */
KS_MUST_CHECK enum ks_err ks_config_resolve(const char *file, char **path);
/* Splits LISTEN, "address:port"; ADDRESS without brackets. NAME is its field, for errors. */
KS_MUST_CHECK enum ks_err ks_config_listen(const char *name, const char *listen,
                                           char address[64], uint16_t *out_port);

#endif
