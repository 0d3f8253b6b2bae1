// SPDX-FileCopyrightText: The ketseal authors
// SPDX-License-Identifier: Apache-2.0

// tessera appends to a log of transparency-dev/tessera's POSIX driver, for bench_ledger:
//
//	tessera DIR CLIENTS SECONDS BYTES
//
// CLIENTS add an entry of BYTES each, and the next when that one is durable. One line of JSON. Batches close when
// they hold as many entries as there are clients, or after 5 ms; a checkpoint is published every 100 ms.
package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"flag"
	"fmt"
	"log"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	flag.Parse()
	clients := must(strconv.Atoi(flag.Arg(1)))
	seconds := must(strconv.Atoi(flag.Arg(2)))
	size := must(strconv.Atoi(flag.Arg(3)))
	ctx := context.Background()
	private, _, err := note.GenerateKey(rand.Reader, "bench.example/log")
	if err != nil {
		log.Fatal(err)
	}
	driver := must(posix.New(ctx, posix.Config{Path: flag.Arg(0)}))
	appender, shutdown, _, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
		WithCheckpointSigner(must(note.NewSigner(private))).
		WithCheckpointInterval(100*time.Millisecond).
		WithBatching(uint(clients), 5*time.Millisecond))
	if err != nil {
		log.Fatal(err)
	}
	var group sync.WaitGroup
	times := make([][]time.Duration, clients)
	start := time.Now()
	end := start.Add(time.Duration(seconds) * time.Second)
	for client := range clients {
		group.Go(func() {
			entry := make([]byte, size)
			binary.BigEndian.PutUint64(entry, uint64(client))
			for n := uint64(0); time.Now().Before(end); n++ {
				binary.BigEndian.PutUint64(entry[8:], n)
				begin := time.Now()
				if _, err := appender.Add(ctx, tessera.NewEntry(slices.Clone(entry)))(); err != nil {
					log.Fatal(err)
				}
				times[client] = append(times[client], time.Since(begin))
			}
		})
	}
	group.Wait()
	spent := time.Since(start)
	all := slices.Concat(times...)
	slices.Sort(all)
	fmt.Printf("{\"entries_per_s\":%.0f,\"p50_us\":%d,\"p99_us\":%d}\n", float64(len(all))/spent.Seconds(),
		all[len(all)/2].Microseconds(), all[len(all)*99/100].Microseconds())
	if err := shutdown(ctx); err != nil {
		log.Fatal(err)
	}
}
