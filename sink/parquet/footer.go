package parquet

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// Limits of what is read of a file that this process did not write. A hostile or damaged file costs
// at most this much memory, and time in proportion.
const (
	maxFooterBytes = 16 << 20 // ours have 13 to 24 kB for each row group
	tailBytes      = 64 << 10 // the first read, which usually holds the whole footer
)

// MaxRowGroups is how many row groups a file should have at most: its footer must stay below what
// ReadFooter takes, which leaves 64 kB for each, and until it is written takes some 80 kB of memory
// for each.
const MaxRowGroups = 256

// Footer is what the end of a Parquet file says about it.
type Footer struct {
	Rows      int64
	KeyValues map[string]string
	raw       []byte
}

// Whole tells that nothing speaks for damage: the checksum that the key-value named key holds fits,
// or there is none.
func (f Footer) Whole(key string) bool {
	said, ok := f.KeyValues[key]
	return !ok || said == f.Checksum(key)
}

// Checksum is what the key-value named key has to hold if the footer is as it was written: see
// Metadata.ChecksumKey. It is "" if the footer has no such key-value.
func (f Footer) Checksum(key string) string {
	sum, _ := checksum(f.raw, key)
	return sum
}

// ReadFooter reads the footer of a Parquet file of the given size, without trusting a byte of it:
// at most 16 MiB are read, nothing is allocated by a length that the file only claims, and there is
// no way to panic. It does not look at the pages. It takes one read of the last 64 KiB, and one more
// if the footer is longer, because each is a request where files are remote.
func ReadFooter(r io.ReaderAt, size int64) (Footer, error) {
	if size < int64(2*len(magic)+4) {
		return Footer{}, fmt.Errorf("not a Parquet file: only %d bytes", size)
	}
	tail := make([]byte, min(size, tailBytes))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil {
		return Footer{}, fmt.Errorf("read the last bytes: %w", err)
	}
	head := tail // a larger file is not read a second time for its first bytes: its checksums hold them
	if size > tailBytes {
		head = []byte(magic)
	}
	if string(head[:len(magic)]) != magic || string(tail[len(tail)-len(magic):]) != magic {
		return Footer{}, errors.New("not a Parquet file, or cut short")
	}
	length := int64(binary.LittleEndian.Uint32(tail[len(tail)-8:]))
	switch {
	case length > maxFooterBytes:
		return Footer{}, fmt.Errorf("the footer claims %d bytes, more than the limit of %d", length, maxFooterBytes)
	case length > size-int64(2*len(magic)+4):
		return Footer{}, fmt.Errorf("the footer claims %d bytes of a file of %d", length, size)
	case length+8 <= int64(len(tail)):
		tail = tail[int64(len(tail))-8-length : len(tail)-8]
	default:
		tail = make([]byte, length)
		if _, err := r.ReadAt(tail, size-8-length); err != nil {
			return Footer{}, fmt.Errorf("read the footer: %w", err)
		}
	}
	f, err := parseFooter(tail)
	f.raw = tail
	return f, err
}

// noChecksum stands in the footer while its checksum is computed.
const noChecksum = "0000000000000000000000000000000000000000000000000000000000000000"

// checksumMark follows the key of the checksum in a footer: the header and the length of a Thrift string
// (compact protocol: field 2 of type binary, 64 bytes). A text that holds control characters could
// imitate it, so the first one counts: callers keep such texts out of key-values that sort before.
const checksumMark = "\x18\x40"

// checksum is the checksum of a footer, and where in it the checksum belongs; -1 if it has none.
func checksum(footer []byte, key string) (sum string, at int) {
	mark := []byte(key + checksumMark)
	at = bytes.Index(footer, mark)
	if at < 0 || at+len(mark)+len(noChecksum) > len(footer) {
		return "", -1
	}
	at += len(mark)
	h := sha256.New()
	h.Write(footer[:at])
	io.WriteString(h, noChecksum) //nolint:errcheck // a hash takes everything
	h.Write(footer[at+len(noChecksum):])
	return hex.EncodeToString(h.Sum(nil)), at
}

// sealFooter writes the checksum into a footer that has the key-value for it, and returns it.
func sealFooter(footer []byte, key string) string {
	sum, at := checksum(footer, key)
	if at >= 0 {
		copy(footer[at:], sum)
	}
	return sum
}

// shorten keeps all but the beginning of foreign text out of our messages.
func shorten(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
