package sink

import (
	"bytes"
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
	maxFooterBytes = 16 << 20 // ours have 13 to 24 kB for each row group
	tailBytes      = 64 << 10 // the first read, which usually holds the whole footer
)

// maxFileGroups closes a file of many small row groups at a mark, whatever its size: its footer must stay
// below maxFooterBytes, which leaves 64 kB for each, and until it is written takes some 80 kB of memory
// for each.
const maxFileGroups = 256

// footerPrefix begins every footer key of ours.
const footerPrefix = "tw2parquet."

// The footer keys that chain the files of a run. dataBytes and dataSHA256 cover everything that was
// written before the footer, the page index too, so that a file can be told from a damaged one without its manifest.
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
	// keyChecksum is the SHA-256, in hex, of the whole footer as it is with zeros in the place of these
	// 64 characters: a flipped bit in an offset, or in where a page lies, would otherwise be believed.
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
	raw       []byte
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

// whole tells that nothing speaks for damage: the checksum fits, or there is none.
func (f Footer) whole() bool {
	said, any := f.KeyValues[footerPrefix+keyChecksum]
	sum, _ := checksum(f.raw)
	return !any || sum == said
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
	f, err := parseFooter(tail)
	f.raw = tail
	return f, err
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
	kv[footerPrefix+keyChecksum] = noChecksum
	return kv
}

// noChecksum stands in the footer while its checksum is computed.
const noChecksum = "0000000000000000000000000000000000000000000000000000000000000000"

// checksumMark is what comes before the checksum in a footer: the key, then the header and the length of a
// Thrift string (compact protocol: field 2 of type binary, 64 bytes). No offset can hold it, because
// control characters are refused there.
const checksumMark = footerPrefix + keyChecksum + "\x18\x40"

// checksum is the checksum of a footer, and where in it the checksum belongs; -1 if it has none.
func checksum(footer []byte) (sum string, at int) {
	at = bytes.Index(footer, []byte(checksumMark))
	if at < 0 || at+len(checksumMark)+len(noChecksum) > len(footer) {
		return "", -1
	}
	at += len(checksumMark)
	h := sha256.New()
	h.Write(footer[:at])
	io.WriteString(h, noChecksum) //nolint:errcheck // a hash takes everything
	h.Write(footer[at+len(noChecksum):])
	return hex.EncodeToString(h.Sum(nil)), at
}

// sealFooter writes the checksum into a footer and its key-values, if they have one.
func sealFooter(footer []byte, keyValues map[string]string) {
	if _, wanted := keyValues[footerPrefix+keyChecksum]; !wanted {
		return
	}
	if sum, at := checksum(footer); at >= 0 {
		copy(footer[at:], sum)
		keyValues[footerPrefix+keyChecksum] = sum
	}
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
	said := take(keyChecksum)
	if sum, _ := checksum(footer.raw); err == nil && sum != said {
		err = errors.New("damaged: the footer does not fit its checksum")
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
