// SPDX-FileCopyrightText: The ketseal authors
// SPDX-License-Identifier: Apache-2.0
//
// Makes tests/vectors/chain from the tests of ethereum/tests and with @ethereumjs (tools/npm). By hand:
//
//   node tools/vectors_chain.mjs "$(tools/deps.sh --npm)" ETHEREUM-TESTS-FOLDER tests/vectors/chain

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [modules, tests, target] = process.argv.slice(2);
const require = createRequire(join(modules, 'package.json'));
const { createMPT, createMerkleProof, verifyMerkleProof } = require('@ethereumjs/mpt');
const { createBlockHeader } = require('@ethereumjs/block');
const { Common, Mainnet, createCustomCommon } = require('@ethereumjs/common');
const { createFeeMarket1559Tx } = require('@ethereumjs/tx');
const { createContractAddress, createAddressFromString, privateToAddress } = require('@ethereumjs/util');
const { keccak256 } = require('js-sha3');

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const bytes = (text) => new Uint8Array(text.startsWith('0x') ? Buffer.from(text.slice(2), 'hex') : Buffer.from(text));
const read = (name) => JSON.parse(readFileSync(join(tests, name), 'utf8'));

// Canonical JSON, one value of the outermost list a line.
const sorted = (value) => (Array.isArray(value) ? value.map(sorted)
  : value !== null && typeof value === 'object'
    ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])])) : value);
const write = (name, list) => writeFileSync(join(target, name),
  `[\n${list.map((value) => JSON.stringify(sorted(value))).join(',\n')}\n]\n`);

// --- RLP: the shape of what is encoded, as digits in brackets ------------------------------------------------

function shape(value) {
  if (Array.isArray(value)) {
    return `(${value.map(shape).join(' ')})`;
  }
  if (typeof value === 'number' || value.startsWith('#')) {
    const digits = BigInt(typeof value === 'number' ? value : value.slice(1)).toString(16);
    return digits === '0' ? '-' : digits.padStart(digits.length + digits.length % 2, '0');
  }
  return hex(bytes(value)) || '-';
}
write('rlp.json', [
  ...Object.entries(read('RLPTests/rlptest.json')).map(([name, test]) =>
    ({ name, rlp: test.out.slice(2), shape: shape(test.in) })),
  ...Object.entries(read('RLPTests/invalidRLPTest.json')).map(([name, test]) =>
    ({ name, rlp: test.out.replace(/^0x/, '').toLowerCase() })),
]);

// --- tries: each key, and keys that are not there ------------------------------------------------------------

const tries = [];
async function addTrie(name, entries, root) {
  const trie = await createMPT({ useKeyHashing: true });
  const present = new Map();
  for (const [key, value] of entries) {
    await trie.put(bytes(key), value === null ? new Uint8Array() : bytes(value));
    if (value === null) {
      present.delete(key);
    } else {
      present.set(key, value);
    }
  }
  const got = hex(trie.root());
  if (root !== undefined && got !== root.slice(2)) {
    throw new Error(`${name}: root ${got}`);
  }
  const absent = ['nobody', 'nothing', ...entries.filter(([key]) => !present.has(key)).map(([key]) => key)];
  for (const key of [...present.keys(), ...absent]) {
    const proof = await createMerkleProof(trie, bytes(key));
    if (!present.has(key) && await trie.get(bytes(key)) !== null) {
      throw new Error(`${name}: ${key} is there`);
    }
    tries.push({
      key: hex(bytes(key)), name, proof: proof.map(hex), root: got,
      value: present.has(key) ? hex(bytes(present.get(key))) : null,
    });
  }
}
for (const file of ['trieanyorder_secureTrie', 'trietest_secureTrie', 'hex_encoded_securetrie_test']) {
  for (const [name, test] of Object.entries(read(`TrieTests/${file}.json`))) {
    await addTrie(name, Array.isArray(test.in) ? test.in : Object.entries(test.in), test.root);
  }
}
await addTrie('empty', []);
// Enough keys for three levels of full branches.
await addTrie('many', Array.from({ length: 600 }, (_, i) => [`key ${i}`, `value ${i}`]));
write('trie.json', tries.filter(({ name }, i) => name !== 'many' || i % 20 === 0 || tries[i].value === null));

// --- headers -------------------------------------------------------------------------------------------------

const headers = [];
const addHeader = (name, header) => headers.push({
  hash: hex(header.hash()), name, number: Number(header.number), rlp: hex(header.serialize()),
  state_root: hex(header.stateRoot), time: Number(header.timestamp),
});
for (const hardfork of ['chainstart', 'byzantium', 'london', 'paris', 'shanghai', 'cancun', 'prague']) {
  const common = new Common({ chain: Mainnet, hardfork });
  const fill = (byte, length) => new Uint8Array(length).fill(byte);
  addHeader(hardfork, createBlockHeader({
    parentHash: fill(1, 32), stateRoot: keccakOf(hardfork), number: 7, timestamp: 1700000000, gasLimit: 30000000,
    extraData: Buffer.from('extra'), coinbase: createAddressFromString('0x' + '22'.repeat(20)), gasUsed: 21000,
    difficulty: ['chainstart', 'byzantium', 'london'].includes(hardfork) ? 131072 : 0,
    ...(['chainstart', 'byzantium'].includes(hardfork) ? {} : { baseFeePerGas: 7 }),
  }, { common, skipConsensusFormatValidation: true }));
}
function keccakOf(text) {
  return new Uint8Array(Buffer.from(keccak256(text), 'hex'));
}
for (const file of ['Cancun/stEIP5656-MCOPY/MCOPY_copy_cost', 'Shanghai/stEIP3651-warmcoinbase/coinbaseWarmAccountCallGas']) {
  const test = Object.entries(read(`BlockchainTests/GeneralStateTests/${file}.json`))[0];
  const { RLP } = require('@ethereumjs/rlp');
  for (const block of [{ rlp: test[1].genesisRLP, blockHeader: test[1].genesisBlockHeader }, ...test[1].blocks]) {
    const header = RLP.decode(bytes(block.rlp))[0];
    headers.push({
      hash: block.blockHeader.hash.slice(2), name: test[0], number: Number(block.blockHeader.number),
      rlp: hex(RLP.encode(header)), state_root: block.blockHeader.stateRoot.slice(2),
      time: Number(block.blockHeader.timestamp),
    });
  }
}
write('header.json', headers);

// --- transactions --------------------------------------------------------------------------------------------

const transactions = [];
for (const [i, fields] of [
  { chainId: 1, nonce: 0, maxPriorityFeePerGas: 0, maxFeePerGas: 0, gasLimit: 0, to: '00'.repeat(20), data: '' },
  { chainId: 31337, nonce: 1, maxPriorityFeePerGas: 1, maxFeePerGas: 2000000000, gasLimit: 52751,
    to: '911e4076c69483258762d259b69c9ebe900d86c1', data: `eecdf927${'5a'.repeat(32)}` },
  { chainId: 11155111, nonce: 255, maxPriorityFeePerGas: 127, maxFeePerGas: 128, gasLimit: 256, data: '60'.repeat(300) },
  { chainId: 9007199254740991, nonce: 9007199254740991, maxPriorityFeePerGas: 9007199254740991,
    maxFeePerGas: 9007199254740991, gasLimit: 9007199254740991, to: 'ff'.repeat(20), data: '00' },
  ...Array.from({ length: 8 }, (_, n) => ({ chainId: 17000 + n, nonce: n, maxPriorityFeePerGas: 3 * n,
    maxFeePerGas: 1000 * n + 30, gasLimit: 21000 + n, to: `${n}${n}`.repeat(20), data: `eecdf927${keccak256(`${n}`)}` })),
].entries()) {
  const common = createCustomCommon({ chainId: fields.chainId, name: 'test' }, Mainnet, { hardfork: 'prague' });
  const key = new Uint8Array(Buffer.from(keccak256(`key ${i}`), 'hex'));
  const tx = createFeeMarket1559Tx({
    ...fields, to: fields.to === undefined ? undefined : `0x${fields.to}`, data: `0x${fields.data}`, value: 0,
  }, { common, allowUnlimitedInitCodeSize: true });
  const signed = tx.sign(key);
  transactions.push({
    chain_id: fields.chainId, data: fields.data, encoded: hex(signed.serialize()), fee_max_wei: fields.maxFeePerGas,
    from: hex(privateToAddress(key)), gas: fields.gasLimit, hash: hex(signed.hash()), key: hex(key),
    nonce: fields.nonce, r: signed.r.toString(16).padStart(64, '0'), s: signed.s.toString(16).padStart(64, '0'),
    signing_hash: hex(tx.getHashedMessageToSign()), tip_wei: fields.maxPriorityFeePerGas,
    to: fields.to ?? null, y_parity: Number(signed.v),
  });
}
write('tx.json', transactions);

// --- the rest ------------------------------------------------------------------------------------------------

write('keccak.json', [0, 1, 3, 135, 136, 137, 271, 272, 273, 1000].map((length) => {
  const data = Uint8Array.from({ length }, (_, i) => (7 * i + length) % 256);
  return { data: hex(data), hash: keccak256(data) };
}));
write('created.json', [0, 1, 127, 128, 255, 256, 65536, 4294967296].map((nonce) => {
  const from = '6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0';
  return { address: createContractAddress(createAddressFromString(`0x${from}`), BigInt(nonce)).toString().slice(2), from, nonce };
}));
