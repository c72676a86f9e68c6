package sink

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tw2parquet/sink/parquet"
)

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
	keyRejects       = "rejects" // stem of the names of the files that hold them; only where there are any
	keyFirstOrdinal  = "first_ordinal"
	keyNextOrdinal   = "next_ordinal"
	keySchemaVersion = "schema_version"
	keyDataBytes     = "data_bytes"
	keyDataSHA256    = "data_sha256"
	// keyChecksum is the SHA-256, in hex, of the whole footer as it is with zeros in the place of these
	// 64 characters: a flipped bit in an offset, or in where a page lies, would otherwise be believed.
	keyChecksum = "checksum"
	// noteWriter names the program that wrote the file; it is the footer's created_by too.
	noteWriter = "writer"
)

func reservedKeys() []string {
	return []string{keyRun, keySeq, keyFromOffset, keyToOffset, keyRows, keyRejected, keyRejects, keyFirstOrdinal,
		keyNextOrdinal, keySchemaVersion, keyDataBytes, keyDataSHA256, keyChecksum}
}

func reservedKey(k string) bool { return slices.Contains(reservedKeys(), k) }

// isOurs tells whether a footer has any key of ours.
func isOurs(f parquet.Footer) bool {
	for k := range f.KeyValues {
		if strings.HasPrefix(k, footerPrefix) {
			return true
		}
	}
	return false
}

// keyValues is the footer's text for a file, with the caller's own values below ours.
// The checksum is the Parquet writer's to add.
func (f *File) keyValues(run, schemaVersion string, data *upload) map[string]string {
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
	if f.Rejects != "" {
		kv[footerPrefix+keyRejects] = f.Rejects
	}
	return kv
}

// fileOf is the inverse of keyValues. The name, the size and whether any of it belongs where it was
// found are the caller's to fill in and to check.
func fileOf(footer parquet.Footer) (f File, run, schemaVersion string, err error) {
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
			err = fmt.Errorf("the footer's %s%s is not a count: %q", footerPrefix, key, shorten(v))
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
	if f.Rejected > 0 {
		f.Rejects = take(keyRejects)
	}
	said := take(keyChecksum)
	if err == nil && footer.Checksum(footerPrefix+keyChecksum) != said {
		err = errors.New("damaged: the footer does not match its checksum")
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

// shorten keeps all but the beginning of foreign text out of our messages.
func shorten(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
