package sink

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
)

// Sized is a file by its name, relative to the output, and its size in bytes.
type Sized struct {
	Name  string
	Bytes int64
}

// Seal stands for the names and sizes of a run's published files, in any order, and for the versions of the schema and
// of the manifest: two lists with the same seal are the same. It is 26 characters of lower-case base32 (RFC 4648) of the
// SHA-256 of a line "<manifest's format> <schema version>\n" and of a line "<size> <name>\n" for each file, sorted by
// name.
func Seal(format int, schema string, files []Sized) string {
	sorted := slices.SortedFunc(slices.Values(files), func(a, b Sized) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Bytes, b.Bytes))
	})
	h := sha256.New()
	fmt.Fprintf(h, "%d %s\n", format, schema)
	for _, f := range sorted {
		fmt.Fprintf(h, "%d %s\n", f.Bytes, f.Name)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil)))[:26]
}

// Seal is that of the files that the manifest lists, rejects included.
func (m *Manifest) Seal() string {
	var files []Sized
	for _, f := range m.Files {
		files = append(files, Sized{f.Name, f.Bytes})
	}
	for _, f := range m.Rejects {
		files = append(files, Sized{f.Name, f.Bytes})
	}
	return Seal(m.Format, m.SchemaVersion, files)
}

// Seal is that of the run's manifest, "" before it is complete.
func (o *Output) Seal() string {
	if o.manifest == nil {
		return ""
	}
	return o.manifest.Seal()
}
