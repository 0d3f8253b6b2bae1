module ketseal/tools/vectors_ledger

go 1.26

require (
	filippo.io/mldsa v1.0.0
	github.com/transparency-dev/formats v0.1.1
	golang.org/x/mod v0.40.0
)

require golang.org/x/crypto v0.52.0 // indirect
