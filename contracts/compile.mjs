// SPDX-FileCopyrightText: The ketseal authors
// SPDX-License-Identifier: Apache-2.0
//
// Compiles Anchor.sol by the solc that it is given and writes Anchor.json: ABI, code that creates the
// contract, code that then stands on the chain, and its hash; and the same for ketseal as C. Run by build.sh.
//
//   node compile.mjs FOLDER-WITH-node_modules SOURCE JSON-TARGET C-TARGET

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';

const [modules, source, target, targetC] = process.argv.slice(2);
const require = createRequire(join(modules, 'package.json'));
const solc = require('solc');
const { keccak256 } = require('js-sha3');

const VERSION = '0.8.30';
const name = basename(source);
// No metadata and its hash in the code, which would change with comments and paths. The oldest
// instructions that all current chains have: no PUSH0.
const settings = {
  evmVersion: 'paris',
  optimizer: { enabled: true, runs: 1000000 },
  metadata: { bytecodeHash: 'none', appendCBOR: false },
  outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } },
};

if (!solc.version().startsWith(`${VERSION}+`)) {
  console.error(`compile: solc ${solc.version()}, not ${VERSION}`);
  process.exit(4);
}
const answer = JSON.parse(solc.compile(JSON.stringify({
  language: 'Solidity',
  sources: { [name]: { content: readFileSync(source, 'utf8') } },
  settings,
})));
const problems = answer.errors ?? [];
if (problems.length > 0) {
  for (const problem of problems) {
    console.error(problem.formattedMessage);
  }
  process.exit(1);
}
const contract = answer.contracts[name].Anchor;
const code = contract.evm.deployedBytecode.object;
const result = {
  abi: contract.abi,
  code,
  code_hash: keccak256(Buffer.from(code, 'hex')),
  compiler: solc.version(),
  creation_code: contract.evm.bytecode.object,
  settings: { evmVersion: settings.evmVersion, optimizer: settings.optimizer, metadata: settings.metadata },
};
writeFileSync(target, `${JSON.stringify(result, null, 2)}\n`);

// Lines of 80 digits, in the form that clang-format leaves alone.
function literal(hex) {
  return (hex.match(/.{1,80}/g) ?? []).map((line) => `    "${line}"`).join('\n');
}

writeFileSync(targetC, `/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Made by contracts/build.sh from contracts/Anchor.sol. */
#include "anchor/contract.h"

const char ks_contract_creation_code[] =
${literal(result.creation_code)};

const char ks_contract_code_hash[] =
${literal(result.code_hash)};
`);
