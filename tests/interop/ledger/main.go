// SPDX-FileCopyrightText: The ketseal authors
// SPDX-License-Identifier: Apache-2.0

// ledger reads static trees of ledgers with implementations that share nothing with ketseal: golang.org/x/mod/sumdb
// (note, tlog), transparency-dev/tessera's client and fsck, transparency-dev/merkle's proofs.
//
//	ledger files ORIGIN VKEYS DIR SIZE   the whole tree in DIR, and proofs from it
//	ledger http ORIGIN VKEYS URL SIZE    the same tree behind a server, by tessera's client
//	ledger proof VKEYS FILE ENTRY        a tlog-proof file for the entry
package main

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func need(right bool, format string, values ...any) {
	if !right {
		log.Fatalf(format, values...)
	}
}

// verifier is the Ed25519 key of the file: the other one's type is not known to these libraries.
func verifier(path string) note.Verifier {
	for _, vkey := range strings.Fields(string(must(os.ReadFile(path)))) {
		if v, err := note.NewVerifier(vkey); err == nil {
			return v
		}
	}
	log.Fatal("no key that golang.org/x/mod knows")
	return nil
}

func checkpoint(text []byte, v note.Verifier, origin string) tlog.Tree {
	opened := must(note.Open(text, note.VerifierList(v)))
	lines := strings.Split(opened.Text, "\n")
	need(len(lines) == 4 && lines[0] == origin && len(opened.Sigs) == 1 && len(opened.UnverifiedSigs) == 1,
		"not a checkpoint of %s with two signatures", origin)
	tree := tlog.Tree{N: must(strconv.ParseInt(lines[1], 10, 64))}
	copy(tree.Hash[:], must(base64.StdEncoding.DecodeString(lines[2])))
	return tree
}

// folder reads tiles for tlog.TileHashReader, which checks them against the tree.
type folder string

func (folder) Height() int { return 8 }

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		path := strings.TrimPrefix(tile.Path(), "tile/8/") // of the checksum database, which has the height
		data, err := os.ReadFile(filepath.Join(string(f), "tile", path))
		if err != nil {
			return nil, err
		}
		need(len(data) == tile.W*tlog.HashSize, "%s: %d bytes", path, len(data))
		all = append(all, data)
	}
	return all, nil
}

func (folder) SaveTiles([]tlog.Tile, [][]byte) {}

func entries(bundle []byte) ([][]byte, error) {
	var all [][]byte
	for len(bundle) > 0 {
		if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
			return nil, fmt.Errorf("a bundle that is cut short")
		}
		end := 2 + int(binary.BigEndian.Uint16(bundle))
		all = append(all, bundle[2:end])
		bundle = bundle[end:]
	}
	return all, nil
}

func leafHashes(bundle []byte) ([][]byte, error) {
	all, err := entries(bundle)
	for i, entry := range all {
		all[i] = rfc6962.DefaultHasher.HashLeaf(entry)
	}
	return all, err
}

// bySumdb checks the tree as the go command checks the checksum database: every entry, proofs of some, and that it
// holds every smaller tree of a few sizes.
func bySumdb(dir string, tree tlog.Tree) {
	hashes := tlog.TileHashReader(tree, folder(dir))
	for first := int64(0); first < tree.N; first += 256 {
		width := min(256, tree.N-first)
		path := tlog.Tile{H: 8, L: 0, N: first / 256, W: int(width)}.Path()
		path = filepath.Join(dir, "tile/entries", strings.TrimPrefix(path, "tile/8/0/"))
		all := must(entries(must(os.ReadFile(path))))
		need(int64(len(all)) == width, "%s: %d entries", path, len(all))
		var indexes []int64
		for i := range all {
			indexes = append(indexes, tlog.StoredHashIndex(0, first+int64(i)))
		}
		for i, want := range must(hashes.ReadHashes(indexes)) {
			need(tlog.RecordHash(all[i]) == want, "entry %d is not that of the tree", first+int64(i))
		}
		for _, i := range []int64{0, width / 2, width - 1} {
			p := must(tlog.ProveRecord(tree.N, first+i, hashes))
			if err := tlog.CheckRecord(p, tree.N, tree.Hash, first+i, tlog.RecordHash(all[i])); err != nil {
				log.Fatal(err)
			}
		}
	}
	for _, older := range []int64{1, 2, 255, 256, 257, 511, 512, 65535, 65536, tree.N - 1} {
		if older < 1 || older > tree.N {
			continue
		}
		root := must(tlog.TreeHash(older, hashes))
		if err := tlog.CheckTree(must(tlog.ProveTree(tree.N, older, hashes)), tree.N, tree.Hash, older, root); err != nil {
			log.Fatal(err)
		}
	}
}

// byTessera checks it with tessera's client, its fsck, and merkle's verifier of proofs.
func byTessera(f fsck.Fetcher, v note.Verifier, origin string, tree tlog.Tree) {
	ctx := context.Background()
	head, _, _, err := client.FetchCheckpoint(ctx, f.ReadCheckpoint, v, origin)
	need(err == nil, "%v", err)
	need(int64(head.Size) == tree.N && string(head.Hash) == string(tree.Hash[:]), "another checkpoint")
	if err := fsck.New(origin, v, f, leafHashes, fsck.Opts{N: 2}).Check(ctx); err != nil {
		log.Fatal(err)
	}
	builder := must(client.NewProofBuilder(ctx, head.Size, f.ReadTile))
	for _, index := range []uint64{0, head.Size / 3, head.Size - 1} {
		bundle := must(client.GetEntryBundle(ctx, f.ReadEntryBundle, index/256, head.Size))
		leaf := rfc6962.DefaultHasher.HashLeaf(bundle.Entries[index%256])
		path := must(builder.InclusionProof(ctx, index))
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, index, head.Size, leaf, path, head.Hash); err != nil {
			log.Fatal(err)
		}
	}
}

func checkProof(v note.Verifier, file string, entry []byte) {
	text := string(must(os.ReadFile(file)))
	rest, found := strings.CutPrefix(text, "c2sp.org/tlog-proof@v1\nindex ")
	need(found, "not a tlog-proof")
	number, rest, _ := strings.Cut(rest, "\n")
	index := must(strconv.ParseInt(number, 10, 64))
	var path tlog.RecordProof
	for !strings.HasPrefix(rest, "\n") {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		var hash tlog.Hash
		copy(hash[:], must(base64.StdEncoding.DecodeString(line)))
		path = append(path, hash)
	}
	tree := checkpoint([]byte(rest[1:]), v, v.Name())
	if err := tlog.CheckRecord(path, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("proof of entry %d of %d\n", index, tree.N)
}

func main() {
	log.SetFlags(0)
	args := os.Args[1:]
	need(len(args) == 5 || (len(args) == 4 && args[0] == "proof"), "usage: see the source")
	switch args[0] {
	case "files":
		v := verifier(args[2])
		tree := checkpoint(must(os.ReadFile(filepath.Join(args[3], "checkpoint"))), v, args[1])
		need(strconv.FormatInt(tree.N, 10) == args[4], "%d entries", tree.N)
		bySumdb(args[3], tree)
		byTessera(client.FileFetcher{Root: args[3]}, v, args[1], tree)
		fmt.Printf("%d entries\n", tree.N)
	case "http":
		v := verifier(args[2])
		f := must(client.NewHTTPFetcher(must(url.Parse(args[3])), http.DefaultClient))
		tree := checkpoint(must(f.ReadCheckpoint(context.Background())), v, args[1])
		need(strconv.FormatInt(tree.N, 10) == args[4], "%d entries", tree.N)
		byTessera(f, v, args[1], tree)
		fmt.Printf("%d entries over HTTP\n", tree.N)
	case "proof":
		checkProof(verifier(args[1]), args[2], []byte(args[3]))
	default:
		log.Fatal("usage: see the source")
	}
}
