// SPDX-FileCopyrightText: The ketseal authors
// SPDX-License-Identifier: Apache-2.0

// vectors_ledger writes the vectors of tests/vectors/{merkle,note,checkpoint,tlog-proof} with implementations that
// share nothing with ketseal: golang.org/x/mod/sumdb for trees and notes, transparency-dev/formats over
// filippo.io/mldsa for cosignatures. `gen DIR` writes them; `check DIR` verifies the note that ketseal signed.
// Run once, by hand, when a format gains a case; the output is committed (SOURCE in each folder).
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/mldsa"
	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	origin  = "example.org/ledger"
	witness = "witness.example.net/w1"
	person  = "example.net/someone"
)

var root string

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func write(name string, data []byte) {
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		log.Fatal(err)
	}
}

// seed is 32 bytes counting up from first: the test keys of ketseal's own tests.
func seed(first byte) []byte {
	s := make([]byte, 32)
	for i := range s {
		s[i] = first + byte(i)
	}
	return s
}

func keyID(name string, kind byte, public []byte) uint32 {
	h := sha256.Sum256(append(append([]byte(name+"\n"), kind), public...))
	return binary.BigEndian.Uint32(h[:])
}

func encode(prefix, name string, kind byte, public, material []byte) string {
	return fmt.Sprintf("%s%s+%08x+%s", prefix, name, keyID(name, kind, public),
		base64.StdEncoding.EncodeToString(append([]byte{kind}, material...)))
}

// edKey gives skey and vkey of an Ed25519 key.
func edKey(name string, kind byte, s []byte) (string, string) {
	public := ed25519.NewKeyFromSeed(s).Public().(ed25519.PublicKey)
	return encode("PRIVATE+KEY+", name, kind, public, s), encode("", name, kind, public, public)
}

func mldsaKey(name string, s []byte) (string, string) {
	public := must(mldsa.NewPrivateKey(mldsa.MLDSA44(), s)).PublicKey().Bytes()
	return encode("PRIVATE+KEY+", name, 6, public, s), encode("", name, 6, public, public)
}

func edSigner(name string, first byte) note.Signer {
	skey, _ := edKey(name, 1, seed(first))
	return must(note.NewSigner(skey))
}

func cosigner(skey string) note.Signer {
	return must(fnote.NewSignerForCosignatureV1(skey))
}

func sign(text string, signers ...note.Signer) []byte {
	return must(note.Sign(&note.Note{Text: text}, signers...))
}

func line(name string, id uint32, sig []byte) string {
	data := append(binary.BigEndian.AppendUint32(nil, id), sig...)
	return "— " + name + " " + base64.StdEncoding.EncodeToString(data) + "\n"
}

// rawSign signs any text, also one that no library accepts.
func rawSign(text, name string, first byte) []byte {
	key := ed25519.NewKeyFromSeed(seed(first))
	id := keyID(name, 1, key.Public().(ed25519.PublicKey))
	return []byte(text + "\n" + line(name, id, ed25519.Sign(key, []byte(text))))
}

func replace(data []byte, old, new string) []byte {
	if !bytes.Contains(data, []byte(old)) {
		log.Fatalf("nothing to replace: %q", old)
	}
	return bytes.Replace(data, []byte(old), []byte(new), 1)
}

// flip changes one bit of byte at of the last line, decoded.
func flip(data []byte, at int) []byte {
	start := bytes.LastIndexByte(data, ' ') + 1
	sig := must(base64.StdEncoding.DecodeString(string(data[start : len(data)-1])))
	sig[at] ^= 1
	return append(bytes.Clone(data[:start]), base64.StdEncoding.EncodeToString(sig)+"\n"...)
}

// --- trees -------------------------------------------------------------------------------------------------

type memory []tlog.Hash

func (m memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = m[x]
	}
	return out, nil
}

func entry(i int64) []byte { return []byte(fmt.Sprintf("entry %d", i)) }

func grow(size int64) memory {
	var m memory
	for i := int64(0); i < size; i++ {
		m = append(m, must(tlog.StoredHashes(i, entry(i), m))...)
	}
	return m
}

func hashes(list []tlog.Hash) string {
	var b strings.Builder
	for _, h := range list {
		b.WriteString(" " + hex.EncodeToString(h[:]))
	}
	return b.String()
}

func genMerkle(m memory) {
	var b strings.Builder
	b.WriteString("# entry i is the text \"entry <i>\"; see SOURCE\n")
	sizes := []int64{0, 1, 2, 3, 4, 5, 7, 8, 9, 13, 64, 100, 255, 256, 257, 1000, 65535, 65536, 65537, 70000}
	for _, n := range sizes {
		h := must(tlog.TreeHash(n, m))
		if n == 0 {
			h = sha256.Sum256(nil)
		}
		fmt.Fprintf(&b, "root %d %s\n", n, hex.EncodeToString(h[:]))
	}
	for _, n := range sizes[1:] {
		for _, i := range []int64{0, n / 3, n / 2, n - 1} {
			fmt.Fprintf(&b, "inclusion %d %d%s\n", i, n, hashes(must(tlog.ProveRecord(n, i, m))))
		}
	}
	for k, n := range sizes[1:] {
		for _, old := range sizes[1 : k+2] {
			fmt.Fprintf(&b, "consistency %d %d%s\n", old, n, hashes(must(tlog.ProveTree(n, old, m))))
		}
	}
	for _, t := range tlog.NewTiles(8, 0, 70000) {
		data := must(tlog.ReadTileData(t, m))
		sum := sha256.Sum256(data)
		fmt.Fprintf(&b, "tile %d %d %d %s\n", t.L, t.N, t.W, hex.EncodeToString(sum[:]))
	}
	write("merkle/tlog.txt", []byte(b.String()))
}

// --- notes -------------------------------------------------------------------------------------------------

func genNotes() {
	_, v1 := edKey(person, 1, seed(0x01))
	_, v2 := edKey("example.net/other", 1, seed(0x41))
	write("note/keys", []byte(v1+"\n"+v2+"\n"))
	a, b := edSigner(person, 0x01), edSigner("example.net/other", 0x41)

	accept := func(name string, data []byte) { write("note/accept/"+name, data) }
	reject := func(name string, data []byte) { write("note/reject/"+name, data) }
	one := sign("This is a note.\n", a)
	accept("one", one)
	accept("two", sign("This is a note.\n", a, b))
	accept("blank-lines", sign("First.\n\n\nSecond, after blank lines.\n\n", a))
	accept("newline-only", rawSign("\n", person, 0x01))
	accept("unicode", sign("Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole — è subito sera.\n", a))
	accept("unknown-beside-known", sign("This is a note.\n", edSigner("stranger.example/x", 0x77), a))
	accept("text-looks-signed", sign("Text.\n\n— example.net/someone AAAAAAAA\n", b))
	many := func(count int) []byte {
		data := sign("This is a note.\n", a)
		for i := 1; i < count; i++ {
			data = append(data, line(fmt.Sprintf("stranger.example/%d", i), uint32(i), []byte{1, 2, 3})...)
		}
		return data
	}
	accept("sixteen", many(16))
	reject("limit-seventeen", many(17))

	reject("format-empty", nil)
	reject("format-no-blank-line", replace(one, "\n\n", "\n"))
	reject("format-no-signature", []byte("This is a note.\n\n"))
	reject("format-no-text-newline", []byte("This is a note."))
	reject("format-no-last-newline", bytes.TrimSuffix(one, []byte("\n")))
	reject("format-newline-after", append(bytes.Clone(one), '\n'))
	reject("format-text-after", append(bytes.Clone(one), "more\n"...))
	reject("format-blank-line-between", append(append(bytes.Clone(one), '\n'), line("stranger.example/1", 1, []byte{1})[3:]...))
	reject("format-carriage-return", bytes.ReplaceAll(one, []byte("\n"), []byte("\r\n")))
	reject("format-tab", rawSign("A\ttab.\n", person, 0x01))
	reject("format-nul", rawSign("A \x00 byte.\n", person, 0x01))
	reject("format-not-utf8", rawSign("Latin-1 \xe9.\n", person, 0x01))
	reject("format-surrogate", rawSign("Half \xed\xa0\x80.\n", person, 0x01))
	reject("format-hyphen", replace(one, "— ", "- "))
	reject("format-two-spaces", replace(one, "— ", "—  "))
	reject("format-space-at-end", append(bytes.TrimSuffix(bytes.Clone(one), []byte("\n")), ' ', '\n'))
	reject("format-duplicate", append(bytes.Clone(one), one[bytes.LastIndex(one, []byte("\n\n"))+2:]...))
	reject("format-plus-in-name", []byte("Text.\n\n"+line("a+b", 1, []byte{1})))
	reject("format-empty-name", []byte("Text.\n\n"+line("", 1, []byte{1})))
	reject("format-unicode-space", []byte("Text.\n\n"+line("a\u00a0b", 1, []byte{1})))
	reject("format-ideographic-space", []byte("Text.\n\n"+line("a\u3000b", 1, []byte{1})))
	reject("limit-name", []byte("Text.\n\n"+line(strings.Repeat("n", 256), 1, []byte{1})))
	reject("format-key-id-only", []byte("Text.\n\n"+line("a", 1, nil)))
	reject("format-three-bytes", []byte("Text.\n\n— a AAAA\n"))
	reject("format-not-base64", []byte("Text.\n\n— a AAAAAA*A\n"))
	reject("format-url-base64", []byte("Text.\n\n— a AAAAAA-_\n"))
	reject("format-unpadded", []byte("Text.\n\n— a AAAAAAA\n"))
	// The 68 bytes of key id and signature leave two bits unused before "=": set one.
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	i := len(one) - 3
	loose := bytes.Clone(one)
	loose[i] = digits[strings.IndexByte(digits, loose[i])|1]
	if bytes.Equal(loose, one) {
		log.Fatal("the loose base64 case is canonical")
	}
	reject("format-loose-base64", loose)

	reject("verify-unknown-only", sign("This is a note.\n", edSigner("stranger.example/x", 0x77)))
	reject("verify-same-name-other-key", sign("This is a note.\n", edSigner(person, 0x78)))
	reject("verify-text-changed", replace(one, "This", "That"))
	reject("verify-newline-added", replace(one, "note.\n", "note.\n\n"))
	reject("verify-flipped", flip(one, 20))
	both := sign("This is a note.\n", a, b)
	reject("verify-one-of-two-bad", flip(both, 20))
	short := ed25519.NewKeyFromSeed(seed(0x01))
	sig := ed25519.Sign(short, []byte("Text.\n"))
	id := keyID(person, 1, short.Public().(ed25519.PublicKey))
	reject("verify-short-signature", []byte("Text.\n\n"+line(person, id, sig[:63])))
	reject("verify-long-signature", []byte("Text.\n\n"+line(person, id, append(sig, 0))))
}

// --- checkpoints and proofs ----------------------------------------------------------------------------------

func body(size int64, hash tlog.Hash) string {
	return fmt.Sprintf("%s\n%d\n%s\n", origin, size, base64.StdEncoding.EncodeToString(hash[:]))
}

func genCheckpoints(m memory) {
	_, edV := edKey(origin, 1, seed(0x01))
	pqS, pqV := mldsaKey(origin, seed(0x81))
	wS, wV := edKey(witness, 4, seed(0xc1))
	write("checkpoint/keys", []byte(edV+"\n"+pqV+"\n"+wV+"\n"))
	ed, pq, w := edSigner(origin, 0x01), cosigner(pqS), cosigner(wS)

	accept := func(name string, data []byte) { write("checkpoint/accept/"+name, data) }
	reject := func(name string, data []byte) { write("checkpoint/reject/"+name, data) }
	h := must(tlog.TreeHash(1000, m))
	text := body(1000, h)
	both := sign(text, ed, pq)
	accept("go-both", both)
	accept("go-witnessed", sign(text, ed, pq, w))
	accept("go-empty", sign(body(0, sha256.Sum256(nil)), ed, pq))
	accept("go-largest", sign(body(1<<53-1, h), ed, pq))

	reject("verify-ed25519-alone", sign(text, ed))
	reject("verify-ml-dsa-alone", sign(text, pq))
	reject("verify-witness-alone", sign(text, w))
	reject("verify-size-changed", replace(both, "\n1000\n", "\n1001\n"))
	reject("verify-other-origin", sign(strings.Replace(text, origin, "example.org/other", 1), ed, pq))
	// The time stands in front of the ML-DSA-44 signature and is signed.
	reject("verify-time-changed", flip(both, 4+7))
	reject("verify-ml-dsa-flipped", flip(both, 2000))

	bad := func(name, text string) { reject(name, rawSign(text, origin, 0x01)) }
	b64 := base64.StdEncoding.EncodeToString(h[:])
	bad("format-extension", text+"extension\n")
	bad("format-blank-extension", text+"\n")
	bad("format-no-root", origin+"\n1000\n")
	bad("format-no-origin", "\n1000\n"+b64+"\n")
	bad("format-origin-space", "example.org/my ledger\n1000\n"+b64+"\n")
	bad("format-leading-zero", origin+"\n01000\n"+b64+"\n")
	bad("format-plus", origin+"\n+1000\n"+b64+"\n")
	bad("format-negative", origin+"\n-1\n"+b64+"\n")
	bad("format-hex-size", origin+"\n0x10\n"+b64+"\n")
	bad("format-size-space", origin+"\n1000 \n"+b64+"\n")
	bad("format-empty-size", origin+"\n\n"+b64+"\n")
	bad("format-short-root", origin+"\n1000\n"+base64.StdEncoding.EncodeToString(h[:31])+"\n")
	bad("format-long-root", origin+"\n1000\n"+base64.StdEncoding.EncodeToString(append(h[:], 0))+"\n")
	bad("format-unpadded-root", origin+"\n1000\n"+strings.TrimRight(b64, "=")+"\n")
	bad("format-zero-with-root", origin+"\n0\n"+b64+"\n")
	bad("format-size-2-to-53", fmt.Sprintf("%s\n%d\n%s\n", origin, int64(1)<<53, b64))
	bad("format-size-huge", origin+"\n123456789012345678901234567890\n"+b64+"\n")

	genProofs(m, both)
}

func genProofs(m memory, checkpoint []byte) {
	accept := func(name string, data []byte) { write("tlog-proof/accept/"+name, data) }
	reject := func(name string, data []byte) { write("tlog-proof/reject/"+name, data) }
	proof := func(index int64, extra string) []byte {
		var b bytes.Buffer
		b.WriteString("c2sp.org/tlog-proof@v1\n" + extra)
		fmt.Fprintf(&b, "index %d\n", index)
		for _, h := range must(tlog.ProveRecord(1000, index, m)) {
			b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
		}
		b.WriteString("\n")
		b.Write(checkpoint)
		return b.Bytes()
	}
	good := proof(517, "")
	accept("517", good)
	accept("0", proof(0, ""))
	accept("999-extra", proof(999, "extra SGVsbG8=\n"))

	reject("format-empty", nil)
	reject("format-version", replace(good, "@v1", "@v2"))
	reject("format-empty-extra", proof(517, "extra \n"))
	reject("format-extra-base64", proof(517, "extra SGVsbG9=\n"))
	reject("format-two-extras", proof(517, "extra SGVsbG8=\nextra SGVsbG8=\n"))
	reject("format-extra-after-index", replace(good, "index 517\n", "index 517\nextra SGVsbG8=\n"))
	reject("format-no-index", replace(good, "index 517\n", ""))
	reject("format-index-zero", replace(good, "index 517", "index 0517"))
	reject("format-index-past-end", replace(good, "index 517", "index 1000"))
	reject("format-index-space", replace(good, "index 517", "index  517"))
	lines := strings.SplitAfter(string(good), "\n")
	reject("format-path-short", []byte(strings.Join(append(append([]string{}, lines[:2]...), lines[3:]...), "")))
	reject("format-path-long", []byte(strings.Join(append(append([]string{}, lines[:3]...), lines[2:]...), "")))
	reject("format-path-base64", replace(good, lines[2], strings.TrimSuffix(lines[2], "=\n")+"\n"))
	reject("format-no-blank-line", replace(good, "\n\n", "\n"))
	reject("format-two-blank-lines", replace(good, "\n\n", "\n\n\n"))
	reject("format-no-checkpoint", good[:bytes.Index(good, []byte("\n\n"))+2])
	reject("format-trailing", append(bytes.Clone(good), "x\n"...))
	reject("format-carriage-return", replace(good, "index 517\n", "index 517\r\n"))
	// Leaf 516 has a path of the same length; the test takes the leaf that the index line names.
	reject("verify-other-index", replace(good, "index 517", "index 516"))
	other := bytes.Clone(good)
	copy(other[bytes.Index(other, []byte(lines[3])):], "A")
	reject("verify-hash-changed", other)
}

func check() {
	_, edV := edKey(origin, 1, seed(0x01))
	_, pqV := mldsaKey(origin, seed(0x81))
	data := must(os.ReadFile(filepath.Join(root, "checkpoint/accept/ketseal-both")))
	n := must(note.Open(data, note.VerifierList(must(note.NewVerifier(edV)),
		must(fnote.NewVerifierForCosignatureV1(pqV)))))
	if len(n.Sigs) != 2 || len(n.UnverifiedSigs) != 0 {
		log.Fatalf("ketseal-both: %d verified, %d not", len(n.Sigs), len(n.UnverifiedSigs))
	}
	fmt.Printf("ketseal-both: both signatures verify; ML-DSA-44 at %s\n",
		must(fnote.CoSigV1Timestamp(n.Sigs[1])).UTC())
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: vectors_ledger gen|check DIR")
	}
	root = os.Args[2]
	switch os.Args[1] {
	case "gen":
		m := grow(70000)
		genMerkle(m)
		genNotes()
		genCheckpoints(m)
	case "check":
		check()
	default:
		log.Fatal("usage: vectors_ledger gen|check DIR")
	}
}
