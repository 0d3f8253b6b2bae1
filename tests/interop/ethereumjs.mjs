// SPDX-FileCopyrightText: The ketseal authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads what ketseal writes about anchors with @ethereumjs alone: a transaction file, which hashes and recovers as it
// says, and evidence, whose two proofs lead from its header to the digest.
//
//   node ethereumjs.mjs FOLDER-WITH-node_modules transaction FILE    prints what was signed, the hash, the sender
//   node ethereumjs.mjs FOLDER-WITH-node_modules evidence FILE       prints the digest and the block's hash

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [modules, kind, file] = process.argv.slice(2);
const require = createRequire(join(modules, 'package.json'));
const { verifyMerkleProof } = require('@ethereumjs/mpt');
const { RLP } = require('@ethereumjs/rlp');
const { Mainnet, createCustomCommon } = require('@ethereumjs/common');
const { createFeeMarket1559Tx } = require('@ethereumjs/tx');
const { createBlockHeaderFromBytesArray } = require('@ethereumjs/block');
const { keccak256 } = require('js-sha3');

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const document = JSON.parse(readFileSync(file, 'utf8'));

function transaction() {
  const common = createCustomCommon({ chainId: document.chain_id, name: 'test' }, Mainnet, { hardfork: 'prague' });
  const tx = createFeeMarket1559Tx({
    chainId: document.chain_id, nonce: document.nonce, maxPriorityFeePerGas: document.tip_wei,
    maxFeePerGas: document.fee_max_wei, gasLimit: document.gas, data: `0x${document.data}`, value: 0,
    to: document.to === undefined ? undefined : `0x${document.to}`, v: document.signature.y_parity,
    r: `0x${document.signature.r}`, s: `0x${document.signature.s}`,
  }, { common });
  if (!tx.verifySignature() || tx.getSenderAddress().toString() !== `0x${document.from}`) {
    throw new Error(`of ${tx.getSenderAddress()}`);
  }
  return [hex(tx.getHashedMessageToSign()), hex(tx.hash()), document.from];
}

async function evidence() {
  const nodes = (list) => list.map((node) => new Uint8Array(Buffer.from(node, 'base64')));
  const rlp = new Uint8Array(Buffer.from(document.header, 'base64'));
  const common = createCustomCommon({ chainId: document.chain_id, name: 'test' }, Mainnet, { hardfork: 'prague' });
  const header = createBlockHeaderFromBytesArray(RLP.decode(rlp), { common, skipConsensusFormatValidation: true });
  const account = await verifyMerkleProof(new Uint8Array(Buffer.from(document.contract, 'hex')),
    nodes(document.account_proof), { useKeyHashing: true, root: header.stateRoot });
  const [, , storageRoot, codeHash] = RLP.decode(account);
  const slot = keccak256(Buffer.from(`${'0'.repeat(24)}${document.submitter}${'0'.repeat(64)}`, 'hex'));
  const value = await verifyMerkleProof(new Uint8Array(Buffer.from(slot, 'hex')), nodes(document.storage_proof),
    { useKeyHashing: true, root: storageRoot });
  const digest = hex(RLP.decode(value)).padStart(64, '0');
  if (hex(codeHash) !== document.code_hash || digest !== document.digest) {
    throw new Error(`code ${hex(codeHash)}, digest ${digest}`);
  }
  return [digest, hex(header.hash())];
}

console.log((kind === 'transaction' ? transaction() : await evidence()).join('\n'));
