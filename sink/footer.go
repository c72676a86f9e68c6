package sink

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Limits of what recovery reads of a file it did not write in this process. A hostile or damaged
// file costs at most this much memory, and time in proportion.
const (
	maxFooterBytes = 16 << 20 // ours have some 10 kB for each row group
	tailBytes      = 64 << 10 // the first read, which usually holds the whole footer
)

// footerPrefix begins every footer key of ours.
const footerPrefix = "tw2parquet."

// The footer keys that chain the files of a run. dataBytes and dataSHA256 cover everything that was
// written before the footer, so that a file can be told from a damaged one without its manifest.
const (
	keyRun           = "run"
	keySeq           = "seq"
	keyFromOffset    = "from_offset"
	keyToOffset      = "to_offset"
	keyRows          = "rows"
	keyRejected      = "rejected"
	keyFirstOrdinal  = "first_ordinal"
	keyNextOrdinal   = "next_ordinal"
	keySchemaVersion = "schema_version"
	keyDataBytes     = "data_bytes"
	keyDataSHA256    = "data_sha256"
	// keyChecksum covers our other key-values: a flipped bit in an offset would otherwise be believed.
	keyChecksum = "checksum"
)

func reservedKeys() []string {
	return []string{keyRun, keySeq, keyFromOffset, keyToOffset, keyRows, keyRejected, keyFirstOrdinal,
		keyNextOrdinal, keySchemaVersion, keyDataBytes, keyDataSHA256, keyChecksum}
}

func reservedKey(k string) bool { return slices.Contains(reservedKeys(), k) }

// Footer is what the end of a Parquet file says about it.
type Footer struct {
	Rows      int64
	KeyValues map[string]string
}

// ours tells whether there is any key of ours.
func (f Footer) ours() bool {
	for k := range f.KeyValues {
		if strings.HasPrefix(k, footerPrefix) {
			return true
		}
	}
	return false
}

// ReadFooter reads the footer of a Parquet file of the given size, without trusting a byte of it:
// at most 16 MiB are read, nothing is allocated by a length that the file only claims, and there is
// no way to panic. It does not look at the pages.
func ReadFooter(r io.ReaderAt, size int64) (Footer, error) {
	const magic = "PAR1"
	if size < int64(2*len(magic)+4) {
		return Footer{}, fmt.Errorf("%d bytes are no Parquet file", size)
	}
	head := make([]byte, len(magic))
	if _, err := r.ReadAt(head, 0); err != nil {
		return Footer{}, fmt.Errorf("read the first bytes: %w", err)
	}
	tail := make([]byte, min(size, tailBytes))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil {
		return Footer{}, fmt.Errorf("read the last bytes: %w", err)
	}
	if string(head) != magic || string(tail[len(tail)-len(magic):]) != magic {
		return Footer{}, errors.New("no Parquet file, or one that was cut short")
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
	return parseFooter(tail)
}

// keyValues is the footer's text for a file, with the caller's own values below ours.
func (f *File) keyValues(run, schemaVersion string, data *stagedFile) map[string]string {
	kv := make(map[string]string, len(f.Notes)+11)
	for k, v := range f.Notes {
		kv[footerPrefix+k] = v
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	maps.Copy(kv, map[string]string{
		footerPrefix + keyRun:           run,
		footerPrefix + keySeq:           strconv.Itoa(f.Seq),
		footerPrefix + keyFromOffset:    f.FromOffset,
		footerPrefix + keyToOffset:      f.ToOffset,
		footerPrefix + keyRows:          number(f.Rows),
		footerPrefix + keyRejected:      number(f.Rejected),
		footerPrefix + keyFirstOrdinal:  number(f.FirstOrdinal),
		footerPrefix + keyNextOrdinal:   number(f.NextOrdinal),
		footerPrefix + keySchemaVersion: schemaVersion,
		footerPrefix + keyDataBytes:     number(data.size),
		footerPrefix + keyDataSHA256:    data.sum(),
	})
	kv[footerPrefix+keyChecksum] = checksum(kv)
	return kv
}

// checksum is the SHA-256, in hex, of our key-values but itself: for each, in the order of the keys,
// key and value, each after its length in 8 little-endian bytes.
func checksum(kv map[string]string) string {
	h := sha256.New()
	for _, k := range slices.Sorted(maps.Keys(kv)) {
		if !strings.HasPrefix(k, footerPrefix) || k == footerPrefix+keyChecksum {
			continue
		}
		for _, s := range []string{k, kv[k]} {
			h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(s))))
			io.WriteString(h, s) //nolint:errcheck // a hash takes everything
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// fileOf is the inverse of keyValues. The name, the size and whether any of it belongs where it was
// found are the caller's to fill in and to check.
func fileOf(footer Footer) (f File, run, schemaVersion string, err error) {
	take := func(key string) string {
		v, ok := footer.KeyValues[footerPrefix+key]
		if !ok && err == nil {
			err = fmt.Errorf("the footer has no %s%s", footerPrefix, key)
		}
		return v
	}
	number := func(key string) int64 {
		v := take(key)
		n, perr := strconv.ParseInt(v, 10, 64)
		if (perr != nil || n < 0) && err == nil {
			err = fmt.Errorf("the footer's %s%s is no count: %q", footerPrefix, key, shorten(v))
		}
		return n
	}
	run, schemaVersion = take(keyRun), take(keySchemaVersion)
	f = File{
		Seq: int(number(keySeq)), FromOffset: take(keyFromOffset), ToOffset: take(keyToOffset),
		Rows: number(keyRows), Rejected: number(keyRejected),
		FirstOrdinal: number(keyFirstOrdinal), NextOrdinal: number(keyNextOrdinal),
		dataBytes: number(keyDataBytes), dataSHA256: take(keyDataSHA256),
	}
	if sum := take(keyChecksum); err == nil && sum != checksum(footer.KeyValues) {
		err = errors.New("damaged: the footer's key-values do not fit their checksum")
	}
	if err == nil && f.Rows != footer.Rows {
		err = fmt.Errorf("the file has %d rows, its key-values say %d", footer.Rows, f.Rows)
	}
	for k, v := range footer.KeyValues {
		if k, ours := strings.CutPrefix(k, footerPrefix); ours && !reservedKey(k) {
			if f.Notes == nil {
				f.Notes = map[string]string{}
			}
			f.Notes[k] = v
		}
	}
	return f, run, schemaVersion, err
}

// shorten keeps what strangers wrote out of our messages, but for its beginning.
func shorten(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
