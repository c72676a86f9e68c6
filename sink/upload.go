package sink

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"tw2parquet/sink/store"
)

// upload hashes what is written: the checksum then is that of what was meant, not of what a store made
// of it, and costs no second reading.
type upload struct {
	store.Upload
	hash hash.Hash
	size int64
}

func newUpload(u store.Upload) *upload { return &upload{Upload: u, hash: sha256.New()} }

func (u *upload) Write(p []byte) (int, error) {
	n, err := u.Upload.Write(p)
	u.hash.Write(p[:n])
	u.size += int64(n)
	return n, err
}

// sum is the SHA-256, in hex, of everything written so far.
func (u *upload) sum() string { return hex.EncodeToString(u.hash.Sum(nil)) }

// randomID tells the files of one attempt from those of any other.
func randomID() string {
	var id [4]byte
	rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}
